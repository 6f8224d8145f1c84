import type { Batch } from '../batch.ts'
import { FEATURE_COUNT } from '../features/features.ts'

/**
 * Features of every row, in order, each from the account's state before it. The batch is then among its partition's
 * judged ones until it is committed or undone.
 */
export function computeFeatures(batch: Batch): Batch {
  const { states } = batch.owner
  const undo = states.begin()
  const features = new Float64Array(batch.transactions.length * FEATURE_COUNT)
  const homes = new Int32Array(batch.transactions.length)
  for (let row = 0; row < batch.transactions.length; row++) {
    homes[row] = states.observe(batch.transactions[row], undo, features, row * FEATURE_COUNT)
  }
  batch.features = features
  batch.homes = homes
  batch.undo = undo
  batch.owner.judged.push(batch)
  return batch
}
