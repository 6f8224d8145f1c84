import type { Status } from '../../schemas/transaction.ts'
import type { Database, Query } from './database.ts'
import { EXACT_TIME, isoTime, VERSION } from './items.ts'
import { auditStatus, type StatusChange, writeStatus } from './statuses.ts'

export interface BulkItem {
  transaction_id: string
  /** The event time to the millisecond; undefined for the newest. */
  timestamp?: string
  /** The version of the row that the caller has seen; undefined when any will do. */
  version?: string
}

export interface BulkChange {
  items: readonly BulkItem[]
  new_status: Status
  note?: string
  actor: string
  request_id: string
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

interface LockedItem {
  /** Place in the call's items. */
  item: number
  transaction_id: string
  timestamp: string
  /** Microseconds and all: the key of the row. */
  exact_time: string
  status: Status
  version: string
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

async function write(query: Query, change: BulkChange, rows: LockedItem[]): Promise<BulkOutcome> {
  const { items: _, ...shared } = change
  const items: ChangedItem[] = []
  const audits: [StatusChange, LockedItem][] = []
  for (const row of rows) {
    const { transaction_id, timestamp, status: previous_status } = row
    const single: StatusChange = { ...shared, transaction_id }
    const isSame = previous_status === change.new_status
    const version = isSame ? row.version : await writeStatus(query, single, row)
    if (!isSame) audits.push([single, row])
    items[row.item] = { transaction_id, timestamp, previous_status, new_status: change.new_status, version }
  }
  // Last, as a single change does it: whoever else writes to the audit may be waited for, and may wait for us.
  for (const [single, row] of audits) await auditStatus(query, single, row)
  return { kind: 'done', items, changed: audits.length }
}
