import type { Query } from './database.ts'
import { atTime, ITEM, VERSION, type VersionedItem } from './items.ts'

export interface AnomalyFilter {
  limit: number
  offset: number
  /** Least score, 0..1. */
  min_score: number
  /** Any of these; undefined for all. */
  status?: readonly string[]
}

/** The queue: the riskiest first, then who has waited longest; the order of the index `transactions_queue`. */
export function listAnomalies(query: Query, filter: AnomalyFilter): Promise<VersionedItem[]> {
  return query<VersionedItem>(
    `SELECT ${ITEM}, ${VERSION} FROM transactions t
     WHERE t.is_anomaly AND t.score >= $1::real AND ($2::text[] IS NULL OR t.status = ANY ($2))
     ORDER BY t.score DESC, t.timestamp, t.transaction_id LIMIT $3 OFFSET $4`,
    // score is a real: 0.9 must be compared as the real nearest to it, and 1e-50 is out of a real's range.
    [Math.fround(filter.min_score), filter.status ?? null, filter.limit, filter.offset],
  )
}

/**
 * One anomaly by its id.
 * @param timestamp the event time to the millisecond; undefined for the newest
 */
export async function findAnomaly(
  query: Query,
  transactionId: string,
  timestamp: string | undefined,
): Promise<VersionedItem | undefined> {
  const [item] = await query<VersionedItem>(
    `SELECT ${ITEM}, ${VERSION} FROM transactions t
     WHERE t.transaction_id = $1 AND t.is_anomaly AND ${atTime('$2')}
     ORDER BY t.timestamp DESC LIMIT 1`,
    [transactionId, timestamp ?? null],
  )
  return item
}
