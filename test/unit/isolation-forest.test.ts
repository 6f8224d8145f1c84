import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FOREST_INPUTS, forestInputs } from '../../pipeline/models/inputs.ts'
import { isSound, rawScore, trainIsolationForest } from '../../pipeline/models/isolation-forest.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { featureRow } from '../support/batches.ts'
import { averagePath, cloud, pathLength, type Tree, treesOf } from '../support/forests.ts'

const WIDTH = 3

const train = (rows: number[][], seed: number, { trees = 50, samples = 256 } = {}) =>
  trainIsolationForest(Float64Array.from(rows.flat()), rows[0].length, {
    trees,
    samples,
    random: createRandom(seed).unit,
  })

test('the same seed gives the same forest, another seed another one', () => {
  const rows = cloud(1000, WIDTH, 1)
  assert.deepEqual(train(rows, 5), train(rows, 5))
  assert.notDeepEqual(train(rows, 5), train(rows, 6))
})

test('raw scores are those of a plain walk through the trees', () => {
  const rows = cloud(1000, WIDTH, 2)
  const forest = train(rows, 3)
  const trees = treesOf(forest)
  const outside = cloud(200, WIDTH, 4).map((row) => row.map((value) => value * 4))
  const onThresholds = trees.flatMap((tree) => ('path' in tree ? [] : [Array(WIDTH).fill(tree.threshold)]))
  for (const x of [...rows, ...outside, ...onThresholds]) {
    const mean = trees.reduce((sum, tree) => sum + pathLength(tree, x), 0) / trees.length
    assert.ok(Math.abs(rawScore(forest, Float64Array.from(x)) - 2 ** (-mean / averagePath(256))) < 1e-9)
  }
})

test('the average path among 256 is 10.2448', () => {
  assert.equal(train(cloud(256, 1, 1), 1, { trees: 1 }).normal.toFixed(4), '10.2448')
})

test('a leaf tells its depth and what a search among its rows would add; both sides of a split have rows', () => {
  const rows = cloud(64, WIDTH, 5)
  const limit = Math.log2(64)
  const check = (tree: Tree, inside: number[][], depth: number): void => {
    assert.ok(inside.length > 0)
    if ('path' in tree) {
      assert.ok(depth === limit || inside.length === 1, `a leaf of ${inside.length} at depth ${depth}`)
      assert.ok(Math.abs(tree.path - depth - averagePath(inside.length)) < 1e-9)
      return
    }
    const { column, threshold, low, high } = tree
    const below = inside.filter((x) => x[column] < threshold)
    const above = inside.filter((x) => x[column] >= threshold)
    check(low, below, depth + 1)
    check(high, above, depth + 1)
  }
  // All rows are in each tree's sample, so they can be followed.
  for (const tree of treesOf(train(rows, 7, { samples: 64 }))) check(tree, rows, 0)
})

test('what stands apart scores higher than everything that does not', () => {
  const rows = cloud(2000, WIDTH, 8)
  const forest = train([...rows, [9, -9, 9]], 9, { trees: 100 })
  const scoreOf = (x: number[]) => rawScore(forest, Float64Array.from(x))
  const highest = rows.map(scoreOf).reduce((a, b) => Math.max(a, b))
  assert.ok(scoreOf([9, -9, 9]) > highest)
  assert.ok(scoreOf([0, 0, 0]) < 0.5)
  assert.ok(highest < 1 && scoreOf([9, -9, 9]) > 0.7)
})

test('rows that are all alike give one leaf; neighbours in floating point are parted all the same', () => {
  const alike = train(Array(100).fill([1, 2, 3]), 1)
  assert.equal(alike.input.length, 50)
  assert.ok(Math.abs(rawScore(alike, Float64Array.of(1, 2, 3)) - 0.5) < 1e-9)
  const near = train([[1], [1 + Number.EPSILON]], 1)
  for (const tree of treesOf(near)) assert.equal(pathLength(tree, [1]), 1)
  for (const tree of treesOf(near)) assert.equal(pathLength(tree, [1 + Number.EPSILON]), 1)
})

test('one row is nothing to learn from', () => {
  assert.throws(() => train([[1, 2, 3]], 1), /at least 2 transactions/)
})

test('a forest is sound as trained, and not once an array is cut or a child stands before its parent', () => {
  const forest = train(cloud(100, WIDTH, 10), 11, { trees: 3 })
  assert.equal(isSound(forest, WIDTH), true)
  const split = forest.input.findIndex((column) => column !== 255)
  const faults = {
    'no trees': { roots: new Uint32Array(0) },
    'a root outside': { roots: Uint32Array.of(forest.input.length) },
    'an input too many': { input: forest.input.map((column, i) => (i === split ? WIDTH : column)) },
    'a child before its parent': { left: forest.left.map((child, i) => (i === split ? split : child)) },
    'a child outside': {
      left: forest.left.map((child, i) => (i === split ? forest.left.length - 1 : child)),
    },
    'thresholds cut': { threshold: forest.threshold.slice(1) },
    'children cut': { left: forest.left.slice(0, -1) },
    'a threshold that is no number': { threshold: forest.threshold.with(0, Number.NaN) },
    'no normal': { normal: 0 },
  }
  for (const [what, fault] of Object.entries(faults)) {
    assert.equal(isSound({ ...forest, ...fault }, WIDTH), false, what)
  }
})

test('the inputs of a transaction are relative to its account, and quiet where something is unknown', () => {
  const inputs = (given: Parameters<typeof featureRow>[0]) => {
    const out = new Float64Array(FOREST_INPUTS.length)
    forestInputs(featureRow(given), 0, out)
    return [...out]
  }
  const known = { amount: 99, account_count: 5, usual_amount: 9, deviation: 2, count_1h: 1, sum_24h: 100 }
  const merchant = { big_14d: 2, run_frauds: 3 }
  assert.deepEqual(inputs({ ...known, ...merchant, away_from_home: 1 }), [
    Math.log(100 / 10),
    2,
    Math.log1p(1),
    Math.log(200 / 10),
    1,
    Math.log1p(2),
    Math.log1p(3),
  ])
  assert.deepEqual(
    inputs({ ...known, account_count: 4, count_1h: 0 }),
    [0, 0, 0, 0, 0, 0, 0],
    'too little history',
  )
  const late = inputs({ ...known, count_1h: Number.NaN, sum_24h: Number.NaN })
  assert.deepEqual(late, [Math.log(10), 2, 0, Math.log(10), 0, 0, 0], 'late: no windows')
  assert.equal(inputs({ ...known, deviation: 1e9 })[1], 12)
  assert.equal(inputs({ ...known, deviation: -1e9 })[1], -3)
  assert.equal(inputs({ ...known, sum_24h: 1e9 })[3], 3)
})
