import type { Cursor, Range } from '../stream/cursor.ts'
import type { Query } from './database.ts'
import { ITEM, type Item, isoTime } from './items.ts'

/** What the stream of events reads. */

/**
 * The newest cursor. One statement, so of one snapshot: a status change in it is of an anomaly in it. The audit's rows are
 * numbered in the order of their commits, since whoever adds one holds the chain's head until then (migration 0016).
 */
export async function readHead(query: Query): Promise<Cursor> {
  const [row] = await query<{ audit: number; positions: Record<string, number> }>(
    `SELECT (SELECT coalesce(max(seq), 0) FROM status_audit) AS audit,
            (SELECT coalesce(jsonb_object_agg(partition, next_offset), '{}') FROM positions) AS positions`,
  )
  const positions = Object.entries(row.positions).map(
    ([partition, next]) => [Number(partition), next] as const,
  )
  return { positions: new Map(positions), audit: row.audit }
}

/** Each range by the index `transactions_stream`; the inner LIMIT ends its scan. */
const anomaliesIn = (columns: string): string => `
  unnest($1::integer[], $2::bigint[], $3::bigint[]) AS range (partition, from_offset, to_offset)
  CROSS JOIN LATERAL (
    SELECT ${columns} FROM transactions t
    WHERE t.is_anomaly AND t.kafka_partition = range.partition
      AND t.kafka_offset >= range.from_offset AND t.kafka_offset < range.to_offset
    ORDER BY t.kafka_offset LIMIT $4
  ) t`

const arraysOf = (ranges: readonly Range[]): number[][] => [
  ranges.map((range) => range.partition),
  ranges.map((range) => range.from),
  ranges.map((range) => range.to),
]

/** The first anomalies of the ranges, partition after partition, each in the order of its offsets. */
export const anomaliesBetween = (query: Query, ranges: readonly Range[], limit: number): Promise<Item[]> =>
  query<Item>(`SELECT ${ITEM} FROM ${anomaliesIn('*')} ORDER BY t.kafka_partition, t.kafka_offset LIMIT $4`, [
    ...arraysOf(ranges),
    limit,
  ])

export interface StatusEvent {
  transaction_id: string
  /** Event time; ISO 8601, UTC, milliseconds. */
  timestamp: string
  previous_status: string
  new_status: string
  /** ISO 8601, UTC, milliseconds. */
  changed_at: string
}

/** Status changes behind one row of the audit up to another. No note and no actor: they are not for everybody who reads. */
export const statusesBetween = (
  query: Query,
  from: number,
  to: number,
  limit: number,
): Promise<(StatusEvent & { seq: number })[]> =>
  query(
    `SELECT t.seq, t.transaction_id, ${isoTime('t.timestamp')} AS timestamp, t.previous_status, t.new_status,
            ${isoTime('t.changed_at')} AS changed_at
     FROM status_audit t WHERE t.seq > $1 AND t.seq <= $2 AND t.action = 'status' ORDER BY t.seq LIMIT $3`,
    [from, to, limit],
  )

/** Whether more events lie between two cursors than so many; it counts no further. */
export async function isFurtherThan(
  query: Query,
  events: number,
  ranges: readonly Range[],
  audit: { from: number; to: number },
): Promise<boolean> {
  const [{ count }] = await query<{ count: number }>(
    `SELECT (SELECT count(*) FROM (SELECT FROM ${anomaliesIn('1')} LIMIT $4) a)
          + (SELECT count(*) FROM (SELECT FROM status_audit WHERE seq > $5 AND seq <= $6 AND action = 'status' LIMIT $4) s) AS count`,
    [...arraysOf(ranges), events + 1, audit.from, audit.to],
  )
  return count > events
}
