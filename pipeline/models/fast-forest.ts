import type { IsolationForest } from './isolation-forest.ts'
import { LEAF } from './trees.ts'

/**
 * The same forest laid out for speed; its raw scores are the same to the last bit. Two things make a walk through a
 * tree slow: each comparison is a branch that the processor guesses wrong half the time, and each step waits for the
 * one before. So each input is first replaced by the number of its column's thresholds that are not above it, which
 * makes a comparison the sign of a difference of integers; a leaf leads to itself, so that every walk has the same
 * length; and four trees are walked at a time. That number is looked up by parts of the column's range, which leave a
 * threshold or none to compare with.
 */
export interface FastForest {
  /** Thresholds of each column, ascending, each once. */
  cuts: Float64Array[]
  /** Of each column's range, cut into {@link PARTS} of one width: how many cuts lie in the parts before each. */
  before: Uint16Array[]
  /** Where each column's range begins, and its parts per unit. */
  lowest: Float64Array
  partsPerUnit: Float64Array
  /** A node: steps to its left child (13 bits), its column (3), the number of its threshold in cuts (16). */
  nodes: Int32Array
  /** Path length that ends at a leaf. */
  depth: Float64Array
  /** First nodes of the trees, four by four; filled up with trees of one leaf without length. */
  roots: Int32Array
  /** Steps from root to the deepest leaf of each four trees. */
  steps: Uint8Array
  bins: Int32Array
  /** How many there are, without those that fill up. */
  trees: number
  /** c(psi): the mean path length of an unsuccessful search, which depths are measured by. */
  normal: number
}

const COLUMN_BITS = 3
const CUT_BITS = 16
const STEP_BITS = 13
const NO_CUT = 2 ** CUT_BITS - 1
const PARTS = 512

/** @throws RangeError for a forest of more than 8 inputs, 65,534 thresholds of one, or 8,191 nodes a tree */
export function layOut(
  { roots, input, threshold, left, normal }: IsolationForest,
  width: number,
): FastForest {
  const cuts = Array.from({ length: width }, (_, column) => {
    const values = threshold.filter((_, node) => input[node] === column)
    return Float64Array.from(new Set(values)).sort()
  })
  const count = input.length
  const widest = left.reduce(
    (most, child, node) => (input[node] === LEAF ? most : Math.max(most, child - node)),
    0,
  )
  if (width > 2 ** COLUMN_BITS || cuts.some((c) => c.length >= NO_CUT) || widest >= 2 ** STEP_BITS) {
    throw new RangeError('the forest is too large for this layout')
  }
  const nodes = new Int32Array(count + 1)
  const depth = new Float64Array(count + 1)
  const numbers = cuts.map((values) => new Map(Array.from(values, (value, number) => [value, number])))
  for (let node = 0; node < count; node++) {
    if (input[node] === LEAF) {
      nodes[node] = NO_CUT
      depth[node] = threshold[node]
    } else {
      const number = numbers[input[node]].get(threshold[node])!
      nodes[node] = ((left[node] - node) << (COLUMN_BITS + CUT_BITS)) | (input[node] << CUT_BITS) | number
    }
  }
  nodes[count] = NO_CUT
  const height = (node: number): number =>
    input[node] === LEAF || node === count ? 0 : 1 + Math.max(height(left[node]), height(left[node] + 1))
  const fours = Math.ceil(roots.length / 4)
  const padded = new Int32Array(fours * 4).fill(count)
  padded.set(roots)
  const steps = Uint8Array.from({ length: fours }, (_, four) =>
    Math.max(...Array.from(padded.subarray(four * 4, four * 4 + 4), height)),
  )
  const lowest = Float64Array.from(cuts, (values) => values[0] ?? 0)
  const partsPerUnit = Float64Array.from(cuts, (values, column) => {
    const perUnit = PARTS / (values[values.length - 1] - lowest[column])
    return Number.isFinite(perUnit) ? perUnit : 0
  })
  const before = cuts.map((values, column) => {
    const counts = new Uint16Array(PARTS + 1)
    for (const value of values) counts[partOf(value, lowest[column], partsPerUnit[column]) + 1]++
    for (let part = 1; part <= PARTS; part++) counts[part] += counts[part - 1]
    return counts
  })
  return {
    cuts,
    before,
    lowest,
    partsPerUnit,
    nodes,
    depth,
    roots: padded,
    steps,
    bins: new Int32Array(2 ** COLUMN_BITS),
    trees: roots.length,
    normal,
  }
}

/** @returns the anomaly score of the paper, as rawScore does */
export function fastRawScore(forest: FastForest, x: Float64Array): number {
  const { cuts, before, lowest, partsPerUnit, nodes, depth, roots, steps, bins, trees, normal } = forest
  for (let column = 0; column < cuts.length; column++) {
    const value = x[column]
    const part = partOf(value, lowest[column], partsPerUnit[column])
    // NaN is below nothing.
    bins[column] = Number.isNaN(value)
      ? cuts[column].length
      : notAbove(cuts[column], value, before[column][part], before[column][part + 1])
  }
  let sum = 0
  for (let four = 0; four < steps.length; four++) {
    let a = roots[4 * four]
    let b = roots[4 * four + 1]
    let c = roots[4 * four + 2]
    let d = roots[4 * four + 3]
    for (let step = steps[four]; step > 0; step--) {
      const na = nodes[a]
      const nb = nodes[b]
      const nc = nodes[c]
      const nd = nodes[d]
      a += (na >>> 19) + (((na & NO_CUT) - bins[(na >>> 16) & 7]) >>> 31)
      b += (nb >>> 19) + (((nb & NO_CUT) - bins[(nb >>> 16) & 7]) >>> 31)
      c += (nc >>> 19) + (((nc & NO_CUT) - bins[(nc >>> 16) & 7]) >>> 31)
      d += (nd >>> 19) + (((nd & NO_CUT) - bins[(nd >>> 16) & 7]) >>> 31)
    }
    // In the order of the trees: a sum of doubles depends on it.
    sum += depth[a]
    sum += depth[b]
    sum += depth[c]
    sum += depth[d]
  }
  return 2 ** (-sum / trees / normal)
}

/** Never falls as x grows: so all thresholds of earlier parts are below x, and all of later ones above it. */
const partOf = (x: number, lowest: number, partsPerUnit: number): number =>
  Math.min(PARTS - 1, Math.max(0, (x - lowest) * partsPerUnit)) | 0

/** How many of the ascending values are not above x, of which `low` are known not to be and those from `high` on to be. */
function notAbove(values: Float64Array, x: number, low: number, high: number): number {
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle] > x) high = middle
    else low = middle + 1
  }
  return low
}
