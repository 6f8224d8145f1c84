import { type Batch, type Ownership, removeRows } from '../batch.ts'
import type { Reject } from '../errors.ts'
import { computeFeatures } from '../stages/features.ts'

/** Rows of a batch that are not stored, and why. */
export interface LeftOut {
  duplicates: ReadonlySet<number>
  rejects: ReadonlyMap<number, Omit<Reject, 'record'>>
}

/**
 * Takes rows out of batches of a partition that were judged already, and judges the first of these and all behind it
 * again, as if the rows had never been there: the state is rolled back through all of them, newest first.
 */
export function rejudgeWithout(
  { judged }: Ownership,
  leftOut: ReadonlyMap<Batch, LeftOut>,
  score: (batch: Batch) => Batch,
): void {
  const first = judged.findIndex((batch) => leftOut.has(batch))
  if (first === -1) return
  const again = judged.splice(first)
  for (const batch of again.toReversed()) undo(batch)
  for (const [batch, rows] of leftOut) leaveOut(batch, rows)
  for (const batch of again) score(computeFeatures(batch))
}

function leaveOut(batch: Batch, { duplicates, rejects }: LeftOut): void {
  for (const row of duplicates) batch.duplicates.push(batch.records[batch.recordOf[row]].offset)
  for (const [row, reject] of rejects)
    batch.rejects.push({ record: batch.records[batch.recordOf[row]], ...reject })
  removeRows(batch, new Set([...duplicates, ...rejects.keys()]))
}

function undo(batch: Batch): void {
  if (batch.undo !== null) batch.owner.states.undo(batch.undo)
  batch.undo = null
}
