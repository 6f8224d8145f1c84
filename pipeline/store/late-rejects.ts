import { type Batch, createBatch } from '../batch.ts'
import type { Reject } from '../errors.ts'
import { FEATURE_COUNT } from '../features/features.ts'
import type { LeftOut } from './rejudge.ts'
import type { StoreSession } from './session.ts'
import { contentOf, identity } from './sql.ts'

/** Rows that turned out only at the COPY not to belong into the table. */

/**
 * Rows whose transaction is stored already, or stands earlier in the batches: the first one stands. Those of another
 * content than the first are conflicts.
 * @param batches of one partition, in order
 * @returns those that have any
 */
export async function findDuplicates(
  session: Pick<StoreSession, 'findStored'>,
  batches: readonly Batch[],
): Promise<Map<Batch, LeftOut>> {
  // While it is asked the pipeline goes on: batches may join the list, and what is not asked for would seem to be new.
  const asked = batches.slice()
  const first = await session.findStored(asked.flatMap((batch) => batch.transactions))
  const found = new Map<Batch, LeftOut>()
  for (const batch of asked) {
    const duplicates = new Set<number>()
    const rejects: Map<number, Omit<Reject, 'record'>> = new Map()
    batch.transactions.forEach((tx, row) => {
      const key = identity(tx.transaction_id, tx.timestamp)
      const content = contentOf(tx)
      const earlier = first.get(key)
      if (earlier === undefined) first.set(key, content)
      else if (earlier === content) duplicates.add(row)
      else rejects.set(row, CONFLICT)
    })
    if (duplicates.size + rejects.size > 0) found.set(batch, { duplicates, rejects })
  }
  return found
}

const CONFLICT = {
  code: 'CONFLICT' as const,
  message: 'another content is stored under this id and event time',
}

/**
 * The first row that PostgreSQL refuses, by halving.
 * @param accepts tells whether a batch of some of the rows can be copied
 * @returns -1 if it takes every row by itself
 */
export async function findBadRow(batch: Batch, accepts: (probe: Batch) => Promise<boolean>): Promise<number> {
  let low = 0
  let high = batch.transactions.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (await accepts(slice(batch, low, middle))) low = middle
    else high = middle
  }
  return high > low && !(await accepts(slice(batch, low, high))) ? low : -1
}

function slice(batch: Batch, from: number, to: number): Batch {
  const part = createBatch(batch.owner, batch.fromOffset, batch.nextOffset, batch.records)
  part.transactions = batch.transactions.slice(from, to)
  part.recordOf = batch.recordOf.slice(from, to)
  part.features = batch.features.subarray(from * FEATURE_COUNT, to * FEATURE_COUNT)
  part.scores = batch.scores.slice(from, to)
  for (let row = from; row < to; row++) {
    const anomaly = batch.anomalies.get(row)
    if (anomaly !== undefined) part.anomalies.set(row - from, anomaly)
  }
  return part
}
