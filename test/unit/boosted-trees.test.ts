import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { InputReader, isSound, rawScore, sigmoid } from '../../pipeline/models/boosted-trees.ts'
import { fromLightgbm } from '../../pipeline/models/lightgbm.ts'
import { treeShap } from '../../pipeline/models/tree-shap.ts'
import { expectedValue } from '../support/forests.ts'

/** Made by LightGBM itself: see make-lightgbm.py beside it. NaN is null. */
const fixture: {
  rows: (number | null)[][]
  models: {
    dump: { tree_info: { tree_structure: Record<string, unknown> }[] } & Record<string, unknown>
    raw: number[]
    probability: number[]
    contributions: number[][]
    expected: number
  }[]
} = JSON.parse(readFileSync(new URL('../fixtures/lightgbm.json', import.meta.url), 'utf8'))

const rows = fixture.rows.map((row) => Float64Array.from(row, (value) => value ?? Number.NaN))
const near = (got: number, expected: number, what: string) =>
  assert.ok(Math.abs(got - expected) < 1e-9, `${what}: got ${got}, LightGBM has ${expected}`)

for (const [number, { dump, raw, probability, contributions, expected }] of fixture.models.entries()) {
  const { features, trees } = fromLightgbm(dump)
  const columns = features.map((_, column) => column)
  const explained = { trees, cover: trees.cover, feature: trees.inputs.map(({ feature }) => feature) }

  test(`model ${number}: scores and probabilities are LightGBM's own, unknown and zero values included`, () => {
    assert.equal(isSound(trees, features.length), true)
    const x = new Float64Array(trees.inputs.length)
    const reader = new InputReader(trees.inputs, columns)
    rows.forEach((row, i) => {
      reader.read(row, 0, x)
      near(rawScore(trees, x), raw[i], `row ${i}`)
      near(sigmoid(rawScore(trees, x)), probability[i], `row ${i}`)
    })
  })

  test(`model ${number}: contributions are LightGBM's own, and add up to the raw score`, () => {
    near(expectedValue(explained), expected, 'expected value')
    const x = new Float64Array(trees.inputs.length)
    const reader = new InputReader(trees.inputs, columns)
    rows.forEach((row, i) => {
      reader.read(row, 0, x)
      const goesLeft = (node: number) => x[trees.input[node]] <= trees.threshold[node]
      const out = treeShap(explained, features.length)(goesLeft)
      contributions[i].forEach((value, feature) => {
        near(out[feature], value, `row ${i}, feature ${feature}`)
      })
      near(
        out.reduce((a, b) => a + b, expected),
        raw[i],
        `row ${i}`,
      )
    })
  })
}
