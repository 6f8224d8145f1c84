import { type Batch, removeRows } from '../batch.ts'
import type { Reject } from '../errors.ts'
import { computeFeatures } from '../stages/features.ts'

/**
 * Takes rows out of a batch that was judged already, and judges it and its successors of the partition again, as if
 * the rows had never been there: the state is rolled back through all of them, newest first.
 */
export function rejudgeWithout(
  batch: Batch,
  left: { duplicates?: ReadonlySet<number>; rejects?: ReadonlyMap<number, Omit<Reject, 'record'>> },
  score: (batch: Batch) => Batch,
): void {
  const { judged } = batch.owner
  const again = judged.splice(judged.indexOf(batch))
  for (const later of again.toReversed()) undo(later)

  const duplicates = left.duplicates ?? new Set<number>()
  const rejects = left.rejects ?? new Map<number, Omit<Reject, 'record'>>()
  for (const row of duplicates) batch.duplicates.push(batch.records[batch.recordOf[row]].offset)
  for (const [row, reject] of rejects)
    batch.rejects.push({ record: batch.records[batch.recordOf[row]], ...reject })
  removeRows(batch, new Set([...duplicates, ...rejects.keys()]))

  for (const later of again) score(computeFeatures(later))
}

function undo(batch: Batch): void {
  if (batch.undo !== null) batch.owner.states.undo(batch.undo)
  batch.undo = null
}
