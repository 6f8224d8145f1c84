import { areSound, LEAF, type Trees } from './trees.ts'

/**
 * Gradient-boosted trees as LightGBM trains and serves them. A row goes left at or below a threshold; what counts as
 * missing, and where it goes, is a matter of the node (`NumericalDecision` in LightGBM's include/LightGBM/tree.h).
 * Each combination of feature, kind of missing and side is an input of its own, in which a missing value is replaced by
 * the infinity of its side: so a walk only compares.
 */
export interface BoostedTrees extends Trees {
  inputs: BoostedInput[]
  /** Training rows that reached each node. */
  cover: Float64Array
}

export interface BoostedInput {
  /** Place in the model's list of features. */
  feature: number
  /** What is missing: NaN; NaN and zero; or nothing, and NaN counts as zero. */
  missing: 'nan' | 'zero' | 'none'
  missing_goes_left: boolean
}

/** Up to here LightGBM takes a value for zero: its kZeroThreshold is a float. */
const ZERO = Math.fround(1e-35)

/** Reads the inputs out of rows in which the model's features stand in certain columns. */
export class InputReader {
  readonly #column: Int32Array
  readonly #missing: Uint8Array
  readonly #instead: Float64Array

  /** @param columns of each of the model's features, counted from a row's start */
  constructor(inputs: BoostedInput[], columns: number[]) {
    this.#column = Int32Array.from(inputs, ({ feature }) => columns[feature])
    this.#missing = Uint8Array.from(inputs, ({ missing }) => ['nan', 'zero', 'none'].indexOf(missing))
    this.#instead = Float64Array.from(inputs, ({ missing, missing_goes_left }) =>
      missing === 'none' ? 0 : missing_goes_left ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
    )
  }

  /** Writes the inputs of the row that starts at `at` into `out`. */
  read(rows: Float64Array, at: number, out: Float64Array): void {
    const column = this.#column
    const missing = this.#missing
    const instead = this.#instead
    for (let i = 0; i < column.length; i++) {
      const x = rows[at + column[i]]
      out[i] = Number.isNaN(x) || (missing[i] === 1 && Math.abs(x) <= ZERO) ? instead[i] : x
    }
  }
}

/** @returns the sum of the leaves: the log-odds of fraud, as LightGBM's `predict(raw_score=True)` */
export function rawScore({ roots, input, threshold, left }: Trees, x: Float64Array): number {
  let sum = 0
  for (let t = 0; t < roots.length; t++) {
    let node = roots[t]
    let column = input[node]
    while (column !== LEAF) {
      node = left[node] + (x[column] <= threshold[node] ? 0 : 1)
      column = input[node]
    }
    sum += threshold[node]
  }
  return sum
}

/** @returns the probability at these log-odds */
export const sigmoid = (raw: number): number => 1 / (1 + Math.exp(-raw))

/** Whether every walk through the trees stays inside the arrays and ends, and the counts of rows add up. */
export function isSound(model: BoostedTrees, features: number): boolean {
  const { inputs, input, left, cover } = model
  return (
    areSound(model, inputs.length) &&
    inputs.every(({ feature }) => feature < features) &&
    cover.length === input.length &&
    cover.every(
      (rows, node) =>
        rows > 0 && (input[node] === LEAF || rows === cover[left[node]] + cover[left[node] + 1]),
    )
  )
}
