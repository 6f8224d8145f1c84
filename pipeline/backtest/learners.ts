import type { Batch } from '../batch.ts'
import { F, FEATURE_COUNT, type Feature } from '../features/features.ts'
import type { Artifact } from '../models/artifact.ts'
import { FOREST_INPUTS, forestInputs } from '../models/inputs.ts'
import { trainForest } from '../train/forest.ts'
import { type LightgbmOptions, trainLightgbm } from '../train/lightgbm.ts'
import { isLearnable, type Protocol } from './protocol.ts'

/** Keeps what a model is to learn from, as the stream passes. */
export interface Learner {
  take(batch: Batch): void
  /** @throws when there is too little to learn from */
  train(): Promise<Artifact>
}

/** LightGBM learns from the labels that are known when the test begins. */
export function lightgbmLearner(protocol: Protocol, features: Feature[], options: LightgbmOptions): Learner {
  const columns = features.map((name) => F[name])
  const rows = new LearningRows(protocol, columns.length, (tx) => tx.is_fraud !== null)
  return {
    take: (batch) =>
      rows.take(batch, (at, out, to) => {
        for (let i = 0; i < columns.length; i++) out[to + i] = batch.features[at + columns[i]]
      }),
    async train() {
      const { values, labels, from, to } = rows
      return trainLightgbm({ features, values, labels, from, to }, options)
    },
  }
}

/** The isolation forest reads no labels. */
export function forestLearner(protocol: Protocol, seed: number): Learner {
  const width = FOREST_INPUTS.length
  const rows = new LearningRows(protocol, width, () => true)
  const inputs = new Float64Array(width)
  return {
    take: (batch) =>
      rows.take(batch, (at, out, to) => {
        forestInputs(batch.features, at, inputs)
        out.set(inputs, to)
      }),
    async train() {
      const all = new Float64Array(rows.values.reduce((n, part) => n + part.length, 0))
      let at = 0
      for (const part of rows.values) {
        all.set(part, at)
        at += part.length
      }
      return trainForest({ inputs: all, from: rows.from, to: rows.to }, seed)
    },
  }
}

/** The learnable rows of the batches, as a model sees them: no more is kept. */
class LearningRows {
  readonly values: Float64Array[] = []
  readonly labels: Uint8Array[] = []
  from = Number.POSITIVE_INFINITY
  to = Number.NEGATIVE_INFINITY
  readonly #protocol: Protocol
  readonly #width: number
  readonly #isUsable: (tx: Batch['transactions'][number]) => boolean

  constructor(protocol: Protocol, width: number, isUsable: (tx: Batch['transactions'][number]) => boolean) {
    this.#protocol = protocol
    this.#width = width
    this.#isUsable = isUsable
  }

  /** @param read writes what the model sees of the row of features at `at` into `out` from `to` on */
  take({ transactions }: Batch, read: (at: number, out: Float64Array, to: number) => void): void {
    const chosen: number[] = []
    for (let row = 0; row < transactions.length; row++) {
      const tx = transactions[row]
      if (isLearnable(this.#protocol, tx.timestamp) && this.#isUsable(tx)) chosen.push(row)
    }
    if (chosen.length === 0) return
    const values = new Float64Array(chosen.length * this.#width)
    for (let i = 0; i < chosen.length; i++) {
      read(chosen[i] * FEATURE_COUNT, values, i * this.#width)
      const { timestamp } = transactions[chosen[i]]
      this.from = Math.min(this.from, timestamp)
      this.to = Math.max(this.to, timestamp)
    }
    this.values.push(values)
    this.labels.push(Uint8Array.from(chosen, (row) => (transactions[row].is_fraud ? 1 : 0)))
  }
}
