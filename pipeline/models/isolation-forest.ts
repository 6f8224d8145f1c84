import { areSound, LEAF, type Trees } from './trees.ts'

/**
 * Isolation forest (Liu, Ting, Zhou: Isolation-Based Anomaly Detection, ACM TKDD 6(1), 2012, doi:10.1145/2133360.2133363).
 * Below its threshold a row goes left. A leaf's value is the path length that ends there.
 */
export interface IsolationForest extends Trees {
  /** Average path length of an unsuccessful search among the samples: c(psi) of the paper. */
  normal: number
}

/** @returns the anomaly score s(x) = 2^(-E[h(x)] / c(psi)), 0..1: near 1 is easily isolated, 0.5 and less is usual */
export function rawScore(forest: IsolationForest, x: Float64Array): number {
  const { roots, input, threshold, left } = forest
  let depth = 0
  for (let t = 0; t < roots.length; t++) {
    let node = roots[t]
    let column = input[node]
    while (column !== LEAF) {
      node = left[node] + (x[column] < threshold[node] ? 0 : 1)
      column = input[node]
    }
    depth += threshold[node]
  }
  return 2 ** (-depth / roots.length / forest.normal)
}

/** Whether every walk through the trees stays inside the arrays and ends. */
export const isSound = (forest: IsolationForest, width: number): boolean =>
  forest.normal > 0 && areSound(forest, width)

/**
 * @param rows inputs, `width` a row; at least 2
 * @param random uniform in [0, 1): the only source of chance, so that a seed gives the same forest
 */
export function trainIsolationForest(
  rows: Float64Array,
  width: number,
  options: { trees: number; samples: number; random: () => number },
): IsolationForest {
  const count = rows.length / width
  if (count < 2) throw new Error(`a forest needs at least 2 transactions to learn from, there are ${count}`)
  const samples = Math.min(options.samples, count)
  const builder = new TreeBuilder(rows, width, Math.ceil(Math.log2(samples)), options.random)
  const roots = Array.from({ length: options.trees }, () =>
    builder.grow(sampleRows(count, samples, options.random)),
  )
  return { roots: Uint32Array.from(roots), ...builder.arrays(), normal: averagePath(samples) }
}

class TreeBuilder {
  readonly #input: number[] = []
  readonly #threshold: number[] = []
  readonly #left: number[] = []
  readonly #rows: Float64Array
  readonly #width: number
  readonly #maxDepth: number
  readonly #random: () => number

  constructor(rows: Float64Array, width: number, maxDepth: number, random: () => number) {
    this.#rows = rows
    this.#width = width
    this.#maxDepth = maxDepth
    this.#random = random
  }

  grow(sample: number[]): number {
    const root = this.#reserve()
    this.#fill(root, sample, 0)
    return root
  }

  arrays(): Omit<Trees, 'roots'> {
    return {
      input: Uint8Array.from(this.#input),
      threshold: Float64Array.from(this.#threshold),
      left: Uint32Array.from(this.#left),
    }
  }

  #reserve(): number {
    this.#threshold.push(0)
    this.#left.push(0)
    return this.#input.push(LEAF) - 1
  }

  #fill(node: number, sample: number[], depth: number): void {
    const column = depth < this.#maxDepth && sample.length > 1 ? this.#splittableColumn(sample) : -1
    if (column === -1) {
      this.#threshold[node] = depth + averagePath(sample.length)
      return
    }
    const values = sample.map((row) => this.#rows[row * this.#width + column])
    const low = values.reduce((a, b) => Math.min(a, b))
    const high = values.reduce((a, b) => Math.max(a, b))
    // Never the lowest value itself, not by rounding either: both sides must get at least one row.
    const drawn = low + (high - low) * (1 - this.#random())
    const split = drawn > low ? drawn : high
    const left = this.#reserve()
    this.#reserve()
    this.#input[node] = column
    this.#threshold[node] = split
    this.#left[node] = left
    this.#fill(
      left,
      sample.filter((_, i) => values[i] < split),
      depth + 1,
    )
    this.#fill(
      left + 1,
      sample.filter((_, i) => values[i] >= split),
      depth + 1,
    )
  }

  /** A column, drawn among those whose values differ in the sample; -1 if all rows are alike. */
  #splittableColumn(sample: number[]): number {
    const columns: number[] = []
    for (let c = 0; c < this.#width; c++) {
      const first = this.#rows[sample[0] * this.#width + c]
      if (sample.some((row) => this.#rows[row * this.#width + c] !== first)) columns.push(c)
    }
    return columns.length === 0 ? -1 : columns[Math.floor(this.#random() * columns.length)]
  }
}

/**
 * How many of its tree's samples reached each node, which explanations weigh by. It need not be stored: a leaf's value
 * is its depth and what a search among its rows would add. Null where a leaf's value is no such sum: it is damaged.
 */
export function coverOf({ roots, input, threshold, left }: IsolationForest): Float64Array | null {
  const cover = new Float64Array(input.length)
  const fill = (node: number, depth: number): number => {
    cover[node] =
      input[node] === LEAF
        ? rowsOf(threshold[node] - depth)
        : fill(left[node], depth + 1) + fill(left[node] + 1, depth + 1)
    return cover[node]
  }
  return roots.every((root) => !Number.isNaN(fill(root, 0))) ? cover : null
}

/** The n whose average path is this one, NaN if there is none. */
function rowsOf(path: number): number {
  let low = 1
  let high = 2
  while (averagePath(high) < path && high < MOST_ROWS) high *= 2
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (averagePath(middle) < path - ROUNDING) low = middle
    else high = middle
  }
  const n = Math.abs(averagePath(low) - path) <= ROUNDING ? low : high
  return Math.abs(averagePath(n) - path) <= ROUNDING ? n : Number.NaN
}

const MOST_ROWS = 2 ** 32
/** A depth and what is added to it are one sum of doubles: this much may be lost. */
const ROUNDING = 1e-9

/** Average path length of an unsuccessful search in a binary search tree of n nodes (equation 1 of the paper). */
function averagePath(n: number): number {
  if (n <= 1) return 0
  if (n === 2) return 1
  return 2 * (Math.log(n - 1) + 0.5772156649015329) - (2 * (n - 1)) / n
}

/** `size` different row numbers below `count` (Floyd's algorithm, CACM 30(9), 1987). */
function sampleRows(count: number, size: number, random: () => number): number[] {
  const chosen = new Set<number>()
  for (let j = count - size; j < count; j++) {
    const row = Math.floor(random() * (j + 1))
    chosen.add(chosen.has(row) ? j : row)
  }
  return [...chosen]
}
