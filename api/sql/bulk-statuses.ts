import type { Status } from '../../schemas/transaction.ts'
import type { Database, Query } from './database.ts'
import { parameters, unseen } from './given.ts'
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
    const named = await find(query, change.items)
    if (named.length < change.items.length) return { kind: 'missing', at: without(change.items, named) }
    const seen = new Set<string>()
    const twice = named.flatMap((key) => (seen.size === seen.add(textOf(key)).size ? [key.item] : []))
    if (twice.length > 0) return { kind: 'twice', at: twice }
    const rows = await lock(query, named)
    // Their month was dropped meanwhile.
    if (rows.length < named.length) return { kind: 'missing', at: without(change.items, rows) }
    const stale = rows.flatMap(({ item, version, status }) => {
      const wanted = change.items[item].version
      return wanted === undefined || wanted === version ? [] : [{ item, current: status }]
    })
    if (stale.length > 0) return { kind: 'stale', at: stale.sort((a, b) => a.item - b.item) }
    return write(query, change, rows)
  })
}

/** Places of the items that none of the rows is of. */
function without(items: readonly BulkItem[], rows: readonly Named[]): number[] {
  const found = new Set(rows.map(({ item }) => item))
  return [...items.keys()].filter((item) => !found.has(item))
}

/** The row that an item names. */
interface Named extends Pick<LockedRow, 'transaction_id' | 'exact_time'> {
  /** Place in the call's items. */
  item: number
  /** To the millisecond. */
  timestamp: string
}

const textOf = ({ exact_time, transaction_id }: Pick<LockedRow, 'transaction_id' | 'exact_time'>): string =>
  `${exact_time} ${transaction_id}`

/** In the order of the call, without those that name nothing. A row keeps its key, so nothing is locked for this. */
function find(query: Query, items: readonly BulkItem[]): Promise<Named[]> {
  const { values, given } = parameters()
  const ids = unseen(given(items.map((item) => item.transaction_id)), 'text[]')
  const times = unseen(given(items.map((item) => item.timestamp ?? null)), 'timestamptz[]')
  return query<Named>(
    `SELECT t.item, t.transaction_id, ${isoTime('t.timestamp')} AS timestamp, ${EXACT_TIME} FROM (
       SELECT w.item - 1 AS item, w.transaction_id,
              (SELECT max(t.timestamp) FROM transactions t
               WHERE t.transaction_id = w.transaction_id AND t.is_anomaly
                 AND (w.timestamp IS NULL OR t.timestamp >= w.timestamp AND t.timestamp < w.timestamp + interval '1 millisecond'))
              AS timestamp
       FROM unnest(${ids}, ${times}) WITH ORDINALITY AS w(transaction_id, timestamp, item)) t
     WHERE t.timestamp IS NOT NULL ORDER BY t.item`,
    values,
  )
}

type LockedItem = LockedRow & Named

/**
 * In the order of their keys, month by month: each statement is over one month's table alone. PostgreSQL (18.4) leaves months out
 * for the row that it joins with at the time; when it waited for somebody's change of another one, and looks at that again,
 * it is not there any more.
 */
async function lock(query: Query, named: readonly Named[]): Promise<LockedItem[]> {
  const ofKey = new Map(named.map((key) => [textOf(key), key]))
  const monthOf = ({ exact_time }: Named) => exact_time.slice(0, '2026-11'.length)
  const rows: LockedItem[] = []
  for (const month of [...new Set(named.map(monthOf))].sort()) {
    const keys = named.filter((key) => monthOf(key) === month)
    for (const row of await lockMonth(query, month, keys)) rows.push({ ...ofKey.get(textOf(row))!, ...row })
  }
  return rows
}

function lockMonth(query: Query, month: string, keys: readonly Named[]): Promise<LockedRow[]> {
  const { values, given } = parameters()
  const from = given(`${month}-01T00:00:00Z`)
  const ids = unseen(given(keys.map((key) => key.transaction_id)), 'text[]')
  const times = unseen(given(keys.map((key) => key.exact_time)), 'timestamptz[]')
  return query<LockedRow>(
    `SELECT t.transaction_id, ${EXACT_TIME}, coalesce(t.status, 'NEW') AS status, ${VERSION}
     FROM unnest(${ids}, ${times}) AS k (transaction_id, timestamp)
     JOIN transactions t ON t.timestamp = k.timestamp AND t.transaction_id = k.transaction_id
     WHERE t.timestamp >= ${from}::timestamptz AND t.timestamp < (${from}::timestamptz AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC'
     ORDER BY t.timestamp, t.transaction_id FOR UPDATE OF t`,
    values,
  )
}

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
