import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coverOf, rawScore, trainIsolationForest } from '../../pipeline/models/isolation-forest.ts'
import { type Explained, treeShap } from '../../pipeline/models/tree-shap.ts'
import { LEAF } from '../../pipeline/models/trees.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { cloud, expectedValue } from '../support/forests.ts'

const WIDTH = 4
/** Two inputs of one feature: what splits on them is explained together. */
const FEATURE = [0, 1, 2, 1]
const FEATURES = 3

/** Trees with any splits, also on the same feature again and again, and with any numbers of training rows. */
function anyTrees(seed: number, trees: number): Explained {
  const random = createRandom(seed)
  const nodes: { input: number; threshold: number; left: number; rows: number }[] = []
  const add = () => nodes.push({ input: LEAF, threshold: 0, left: 0, rows: 0 }) - 1
  const fill = (at: number, depth: number): number => {
    if (depth === 0 || random.unit() < 0.2) {
      const rows = 1 + Math.floor(random.unit() * 50)
      nodes[at] = { input: LEAF, threshold: random.normal(), left: 0, rows }
      return rows
    }
    const left = add()
    add()
    const rows = fill(left, depth - 1) + fill(left + 1, depth - 1)
    nodes[at] = { input: Math.floor(random.unit() * WIDTH), threshold: random.normal(), left, rows }
    return rows
  }
  const roots = Array.from({ length: trees }, () => {
    const root = add()
    fill(root, 6)
    return root
  })
  return {
    trees: {
      roots: Uint32Array.from(roots),
      input: Uint8Array.from(nodes, (node) => node.input),
      threshold: Float64Array.from(nodes, (node) => node.threshold),
      left: Uint32Array.from(nodes, (node) => node.left),
    },
    cover: nodes.map((node) => node.rows),
    feature: FEATURE,
  }
}

/** What the trees give on average while only these features are known (algorithm 1 of the paper). */
function known({ trees, cover }: Explained, x: number[], features: Set<number>): number {
  const mean = (node: number): number => {
    const input = trees.input[node]
    if (input === LEAF) return trees.threshold[node]
    const low = trees.left[node]
    if (features.has(FEATURE[input])) return mean(x[input] <= trees.threshold[node] ? low : low + 1)
    return (cover[low] * mean(low) + cover[low + 1] * mean(low + 1)) / (cover[low] + cover[low + 1])
  }
  return [...trees.roots].reduce((sum, root) => sum + mean(root), 0)
}

/** Shapley values by their definition: each feature's effect in the mean over all orders of becoming known. */
function shapley(explained: Explained, x: number[]): number[] {
  const orders: number[][] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]
  const out = Array(FEATURES).fill(0)
  for (const order of orders) {
    order.forEach((feature, i) => {
      const before = known(explained, x, new Set(order.slice(0, i)))
      const after = known(explained, x, new Set(order.slice(0, i + 1)))
      out[feature] += (after - before) / orders.length
    })
  }
  return out
}

const near = (got: number, expected: number) =>
  assert.ok(Math.abs(got - expected) < 1e-9, `${got} ${expected}`)

test('contributions are the Shapley values by their definition, and add up with the expected value', () => {
  const row = fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: WIDTH, maxLength: WIDTH })
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 4 }), row, (seed, trees, x) => {
      const explained = anyTrees(seed, trees)
      const { input, threshold } = explained.trees
      const out = treeShap(explained, FEATURES)((node) => x[input[node]] <= threshold[node])
      shapley(explained, x).forEach((value, feature) => {
        near(out[feature], value)
      })
      near(expectedValue(explained), known(explained, x, new Set()))
      near(
        out.reduce((a, b) => a + b, expectedValue(explained)),
        known(explained, x, new Set([0, 1, 2])),
      )
    }),
  )
})

test("an isolation forest's trees know again how many samples reached each node", () => {
  const samples = cloud(200, 2, 1)
  const forest = trainIsolationForest(Float64Array.from(samples.flat()), 2, {
    trees: 20,
    samples: 200,
    random: createRandom(2).unit,
  })
  const cover = coverOf(forest)!
  // All rows are in each tree's sample, so they can be followed.
  const follow = (node: number, rows: number[][]): void => {
    assert.equal(cover[node], rows.length)
    const column = forest.input[node]
    if (column === LEAF) return
    follow(
      forest.left[node],
      rows.filter((row) => row[column] < forest.threshold[node]),
    )
    follow(
      forest.left[node] + 1,
      rows.filter((row) => row[column] >= forest.threshold[node]),
    )
  }
  for (const root of forest.roots) follow(root, samples)

  const explained = { trees: forest, cover, feature: [0, 1] }
  const path = (row: number[]) => -Math.log2(rawScore(forest, Float64Array.from(row))) * forest.normal * 20
  const mean = samples.reduce((sum, row) => sum + path(row), 0) / samples.length
  near(expectedValue(explained) / 20, mean / 20)
})

test('a leaf whose path is no depth and no search is a damage', () => {
  const forest = trainIsolationForest(Float64Array.from(cloud(64, 1, 3).flat()), 1, {
    trees: 1,
    samples: 64,
    random: createRandom(4).unit,
  })
  const leaf = forest.input.indexOf(LEAF)
  forest.threshold[leaf] += 0.25
  assert.equal(coverOf(forest), null)
})
