import { type ForestArtifact, packForest } from '../models/artifact.ts'
import { calibrate } from '../models/calibration.ts'
import { FOREST_INPUTS, forestInputs } from '../models/inputs.ts'
import { rawScore, trainIsolationForest } from '../models/isolation-forest.ts'
import { createRandom } from '../produce/random.ts'
import { readRows } from './rows.ts'
import type { TrainingTransactions } from './sources.ts'

const TREES = 100
const SAMPLES = 256

/** The training transactions' inputs, and when the first and the last took place. */
export interface TrainingSet {
  inputs: Float64Array
  from: number
  to: number
}

/** Inputs of the transactions in the order given. */
export async function collectInputs(
  transactions: TrainingTransactions,
  signal?: AbortSignal,
): Promise<TrainingSet> {
  const parts: Float64Array[] = []
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  const read = (features: Float64Array, out: Float64Array) => forestInputs(features, 0, out)
  for await (const { values, timestamps } of readRows(transactions, FOREST_INPUTS.length, read, signal)) {
    parts.push(values)
    from = timestamps.reduce((a, b) => Math.min(a, b), from)
    to = timestamps.reduce((a, b) => Math.max(a, b), to)
  }
  const inputs = new Float64Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    inputs.set(part, at)
    at += part.length
  }
  return { inputs, from, to }
}

/**
 * Trains the isolation forest and calibrates it on the same transactions. Labels are not read.
 * @param seed the same seed and transactions give the same model
 */
export function trainForest({ inputs, from, to }: TrainingSet, seed: number): ForestArtifact {
  const width = FOREST_INPUTS.length
  const count = inputs.length / width
  const forest = trainIsolationForest(inputs, width, {
    trees: TREES,
    samples: SAMPLES,
    random: createRandom(seed).unit,
  })
  const raw = new Float64Array(count)
  for (let i = 0; i < count; i++) raw[i] = rawScore(forest, inputs.subarray(i * width, (i + 1) * width))
  return {
    kind: 'isolation-forest',
    features: [...FOREST_INPUTS],
    forest: packForest(forest),
    calibration: calibrate(raw),
    trained_from: new Date(from).toISOString(),
    trained_to: new Date(to).toISOString(),
    metrics: { transactions: count, trees: TREES, samples: SAMPLES, seed },
  }
}
