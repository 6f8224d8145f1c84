import type { Transaction } from '../../schemas/transaction.ts'
import type { AccountStates } from '../features/account-states.ts'
import { FEATURE_COUNT } from '../features/features.ts'
import { calibrate } from '../models/calibration.ts'
import { FOREST_INPUTS, forestInputs } from '../models/inputs.ts'
import { rawScore, trainIsolationForest } from '../models/isolation-forest.ts'
import { type Artifact, packForest } from '../models/model.ts'
import { createRandom } from '../produce/random.ts'

const TREES = 100
const SAMPLES = 256

/** The training transactions' inputs, and when the first and the last took place. */
export interface TrainingSet {
  inputs: Float64Array
  from: number
  to: number
}

/**
 * Inputs of the transactions in the order given, by the very function that the stream uses.
 * @param transactions with the state that each belongs to: a partition's, or the file's
 */
export async function collectInputs(
  transactions: AsyncIterable<{ states: AccountStates; transactions: Transaction[] }>,
): Promise<TrainingSet> {
  const width = FOREST_INPUTS.length
  const rows: Float64Array[] = []
  const features = new Float64Array(FEATURE_COUNT)
  const inputs = new Float64Array(width)
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for await (const { states, transactions: some } of transactions) {
    const part = new Float64Array(some.length * width)
    const undo = states.begin()
    some.forEach((tx, i) => {
      states.observe(tx, undo, features, 0)
      forestInputs(features, 0, inputs)
      part.set(inputs, i * width)
      from = Math.min(from, tx.timestamp)
      to = Math.max(to, tx.timestamp)
    })
    states.commit(undo)
    rows.push(part)
  }
  const all = new Float64Array(rows.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of rows) {
    all.set(part, at)
    at += part.length
  }
  return { inputs: all, from, to }
}

/**
 * Trains the isolation forest and calibrates it on the same transactions. Labels are not read.
 * @param seed the same seed and transactions give the same model
 */
export function trainForest({ inputs, from, to }: TrainingSet, seed: number): Artifact {
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
