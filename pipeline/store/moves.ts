import type { Batch, Ownership } from '../batch.ts'
import { FatalError } from '../errors.ts'
import { identify, type LastRecord } from '../source/last-record.ts'

/** What a transaction does to a partition's position: from before its first batch to behind its last one. */
export interface Move {
  readonly owner: Ownership
  /** What the compare-and-set expects. */
  readonly fromOffset: number
  nextOffset: number
  stored: number
  anomalies: number
  duplicates: number
  deadLetters: number
  /** The newest record of the batches; null if there is none. */
  last: LastRecord | null
}

/**
 * @param batches each partition's consecutive, in order
 * @returns a move for each partition
 * @throws FatalError for a gap between two batches: a position must not pass what is not stored
 */
export function movesOf(batches: readonly Batch[]): Move[] {
  const moves = new Map<Ownership, Move>()
  for (const { owner, fromOffset, nextOffset, records, ...batch } of batches) {
    let move = moves.get(owner)
    if (move === undefined) {
      move = {
        owner,
        fromOffset,
        nextOffset,
        stored: 0,
        anomalies: 0,
        duplicates: 0,
        deadLetters: 0,
        last: null,
      }
      moves.set(owner, move)
    } else if (move.nextOffset !== fromOffset) {
      throw new FatalError(
        `${owner.topic}/${owner.partition}: the batch behind ${move.nextOffset} begins at ${fromOffset}`,
      )
    }
    move.nextOffset = nextOffset
    move.stored += batch.transactions.length
    move.anomalies += batch.anomalies.size
    move.duplicates += batch.duplicates.length
    move.deadLetters += batch.rejects.length
    if (records.length > 0) move.last = identify(records[records.length - 1])
  }
  return [...moves.values()]
}
