import type { Status } from '../../schemas/transaction.ts'
import type { Database, Query } from './database.ts'
import { EXACT_TIME, isoTime, VERSION } from './items.ts'
import { type Decision, type LockedRow, writeStatuses } from './statuses.ts'

export interface BulkItem {
  transaction_id: string
  /** The event time to the millisecond; undefined for the newest. */
  timestamp?: string
  /** The version of the row that the caller has seen; undefined when any will do. */
  version?: string
}

export interface BulkChange extends Decision {
  items: readonly BulkItem[]
}

export interface ChangedItem {
  transaction_id: string
  timestamp: string
  previous_status: Status
  new_status: Status
  version: string
}

/** `at` are places in the call's items. */
export type BulkOutcome =
  | { kind: 'done'; items: ChangedItem[]; changed: number }
  | { kind: 'missing'; at: number[] }
  | { kind: 'stale'; at: { item: number; current: string }[] }
  | { kind: 'twice'; at: number[] }

/**
 * Changes the status of many anomalies, each audited as a single one is, all or nothing. All rows are locked before the
 * first is changed, in the order of their keys: of two such calls one waits for the other, whatever their orders are.
 */
export function changeStatuses(database: Database, change: BulkChange): Promise<BulkOutcome> {
  return database.transaction(async (query) => {
    const rows = await lock(query, change.items)
    const of = new Map(rows.map((row) => [row.item, row]))
    const missing = change.items.flatMap((_, i) => (of.has(i) ? [] : [i]))
    if (missing.length > 0) return { kind: 'missing', at: missing }
    const keys = change.items.map((_, i) => `${of.get(i)!.exact_time} ${of.get(i)!.transaction_id}`)
    const seen = new Set<string>()
    const twice = keys.flatMap((key, i) => (seen.size === seen.add(key).size ? [i] : []))
    if (twice.length > 0) return { kind: 'twice', at: twice }
    const stale = change.items.flatMap(({ version }, item) => {
      const row = of.get(item)!
      return version === undefined || version === row.version ? [] : [{ item, current: row.status }]
    })
    if (stale.length > 0) return { kind: 'stale', at: stale }
    return write(query, change, rows)
  })
}

interface LockedItem extends LockedRow {
  /** Place in the call's items. */
  item: number
  timestamp: string
}

const lock = (query: Query, items: readonly BulkItem[]): Promise<LockedItem[]> =>
  query<LockedItem>(
    `WITH wanted AS MATERIALIZED (
       SELECT w.item - 1 AS item, w.transaction_id,
              (SELECT max(t.timestamp) FROM transactions t
               WHERE t.transaction_id = w.transaction_id AND t.is_anomaly
                 AND (w.timestamp IS NULL OR t.timestamp >= w.timestamp AND t.timestamp < w.timestamp + interval '1 millisecond'))
              AS timestamp
       FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS w(transaction_id, timestamp, item)
     )
     SELECT w.item, t.transaction_id, ${isoTime('t.timestamp')} AS timestamp, ${EXACT_TIME},
            coalesce(t.status, 'NEW') AS status, ${VERSION}
     FROM wanted w JOIN transactions t ON t.timestamp = w.timestamp AND t.transaction_id = w.transaction_id
     ORDER BY t.timestamp, t.transaction_id FOR UPDATE OF t`,
    [items.map((item) => item.transaction_id), items.map((item) => item.timestamp ?? null)],
  )

async function write(query: Query, change: BulkChange, rows: readonly LockedItem[]): Promise<BulkOutcome> {
  const { new_status } = change
  const others = rows.filter(({ status }) => status !== new_status)
  const version = others.length > 0 ? await writeStatuses(query, change, others) : undefined
  const items: ChangedItem[] = []
  for (const { item, transaction_id, timestamp, status: previous_status, version: seen } of rows) {
    const now = previous_status === new_status ? seen : version!
    items[item] = { transaction_id, timestamp, previous_status, new_status, version: now }
  }
  return { kind: 'done', items, changed: others.length }
}
