import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fastRawScore, layOut } from '../../pipeline/models/fast-forest.ts'
import {
  type IsolationForest,
  rawScore,
  trainIsolationForest,
} from '../../pipeline/models/isolation-forest.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { cloud } from '../support/forests.ts'

const train = (width: number, trees: number, seed: number): IsolationForest =>
  trainIsolationForest(Float64Array.from(cloud(300, width, seed).flat()), width, {
    trees,
    samples: 64,
    random: createRandom(seed).unit,
  })

test('the fast layout gives the very same raw scores, for any number of trees and any values', () => {
  const value = fc.oneof(
    fc.double({ min: -4, max: 4 }),
    fc.constantFrom(Number.NaN, 0, -0, Infinity, -Infinity),
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 9 }),
      fc.nat({ max: 1000 }),
      fc.array(value, { minLength: 8, maxLength: 8 }),
      (width, trees, seed, values) => {
        const forest = train(width, trees, seed)
        // Thresholds of some columns lie close together, but for one.
        if (seed % 2 === 0) forest.threshold[forest.input.indexOf(0)] = 1e9
        const fast = layOut(forest, width)
        const x = Float64Array.from(values.slice(0, width))
        assert.equal(fastRawScore(fast, x), rawScore(forest, x))
        // Exactly at a threshold, where a step to the wrong side would show.
        const split = forest.input.findIndex((column) => column < width)
        if (split !== -1) x[forest.input[split]] = forest.threshold[split]
        assert.equal(fastRawScore(fast, x), rawScore(forest, x))
      },
    ),
  )
})

test('a forest that does not fit the layout is refused', () => {
  const forest = train(2, 1, 1)
  assert.throws(() => layOut(forest, 9), RangeError)
  const split = forest.input.findIndex((column) => column < 2)
  const left = forest.left.slice()
  left[split] = split + 10_000
  assert.throws(() => layOut({ ...forest, left }, 2), RangeError)
})
