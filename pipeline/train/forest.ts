import { type ForestArtifact, packForest } from '../models/artifact.ts'
import { calibrate } from '../models/calibration.ts'
import { FOREST_INPUTS } from '../models/inputs.ts'
import { rawScore, trainIsolationForest } from '../models/isolation-forest.ts'
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
