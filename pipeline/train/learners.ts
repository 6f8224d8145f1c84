import type { Batch } from '../batch.ts'
import { F, FEATURE_COUNT, type Feature } from '../features/features.ts'
import { type LabelledTransaction, labelBefore } from '../features/labelled.ts'
import type { Artifact } from '../models/artifact.ts'
import { FOREST_INPUTS, forestInputs } from '../models/inputs.ts'
import { trainForest } from './forest.ts'
import { type LightgbmOptions, trainLightgbm } from './lightgbm.ts'

/** Keeps what a model is to learn from, as a history passes. */
export interface Learner {
  take(batch: Batch): void
  /**
   * @param knownBy rows of a later event time are not learned from: their label is not known yet
   * @throws when there is too little to learn from
   */
  train(knownBy?: number): Promise<Artifact>
}

/** Which transactions, by their event time, a model may learn from. */
export type IsLearnable = (time: number) => boolean

/**
 * LightGBM learns from the transactions whose label is known: unlabelled is not good.
 * @param labelsUntil labels that became known then or later are not there yet
 */
export function lightgbmLearner(
  isLearnable: IsLearnable,
  features: Feature[],
  options: LightgbmOptions,
  labelsUntil = Number.POSITIVE_INFINITY,
): Learner {
  const columns = features.map((name) => F[name])
  const labelOf = (tx: LabelledTransaction) =>
    isLearnable(tx.timestamp) ? labelBefore(tx, labelsUntil) : null
  const rows = new LearningRows(columns.length, labelOf)
  return {
    take: (batch) =>
      rows.take(batch, (at, out, to) => {
        for (let i = 0; i < columns.length; i++) out[to + i] = batch.features[at + columns[i]]
      }),
    train: async (knownBy) => trainLightgbm({ features, ...rows.until(knownBy) }, options),
  }
}

/** The isolation forest reads no labels. */
export function forestLearner(isLearnable: IsLearnable, seed: number): Learner {
  const width = FOREST_INPUTS.length
  const rows = new LearningRows(width, (tx) => (isLearnable(tx.timestamp) ? false : null))
  const inputs = new Float64Array(width)
  return {
    take: (batch) =>
      rows.take(batch, (at, out, to) => {
        forestInputs(batch.features, at, inputs)
        out.set(inputs, to)
      }),
    async train() {
      const { values, from, to } = rows.until()
      const all = new Float64Array(values.reduce((n, part) => n + part.length, 0))
      let at = 0
      for (const part of values) {
        all.set(part, at)
        at += part.length
      }
      return trainForest({ inputs: all, from, to }, seed)
    },
  }
}

/** Whether it is to be learned as a fraud; null where it is not to be learned from. */
type LabelOf = (tx: LabelledTransaction) => boolean | null

/** Rows of one batch. */
interface Part {
  values: Float64Array
  labels: Uint8Array
  times: Float64Array
}

/** The learnable rows of the batches, as a model sees them: no more is kept. */
class LearningRows {
  readonly #parts: Part[] = []
  readonly #width: number
  readonly #labelOf: LabelOf

  constructor(width: number, labelOf: LabelOf) {
    this.#width = width
    this.#labelOf = labelOf
  }

  /** @param read writes what the model sees of the row of features at `at` into `out` from `to` on */
  take({ transactions }: Batch, read: (at: number, out: Float64Array, to: number) => void): void {
    const told = transactions.map(this.#labelOf)
    const chosen = [...told.keys()].filter((row) => told[row] !== null)
    if (chosen.length === 0) return
    const values = new Float64Array(chosen.length * this.#width)
    for (let i = 0; i < chosen.length; i++) read(chosen[i] * FEATURE_COUNT, values, i * this.#width)
    this.#parts.push({
      values,
      labels: Uint8Array.from(chosen, (row) => (told[row] ? 1 : 0)),
      times: Float64Array.from(chosen, (row) => transactions[row].timestamp),
    })
  }

  /** The rows up to an event time, and the times of the first and the last of them. */
  until(knownBy = Number.POSITIVE_INFINITY): {
    values: Float64Array[]
    labels: Uint8Array[]
    from: number
    to: number
  } {
    const parts = this.#parts.map((part) =>
      part.times.every((t) => t <= knownBy) ? part : this.#cut(part, knownBy),
    )
    const times = parts.map((part) => part.times)
    return {
      values: parts.map((part) => part.values),
      labels: parts.map((part) => part.labels),
      from: times.reduce(
        (first, some) => some.reduce((a, b) => Math.min(a, b), first),
        Number.POSITIVE_INFINITY,
      ),
      to: times.reduce((last, some) => some.reduce((a, b) => Math.max(a, b), last), Number.NEGATIVE_INFINITY),
    }
  }

  #cut({ values, labels, times }: Part, knownBy: number): Part {
    const rows = [...times.keys()].filter((row) => times[row] <= knownBy)
    const cut = new Float64Array(rows.length * this.#width)
    rows.forEach((row, i) => {
      cut.set(values.subarray(row * this.#width, (row + 1) * this.#width), i * this.#width)
    })
    return {
      values: cut,
      labels: Uint8Array.from(rows, (row) => labels[row]),
      times: Float64Array.from(rows, (row) => times[row]),
    }
  }
}
