import type { Status } from '../../schemas/transaction.ts'
import type { Database, Query } from './database.ts'
import { anomaliesWithId, atTime, EXACT_TIME, isoTime, VERSION } from './items.ts'
import { labelByStatus } from './labels.ts'

export interface StatusChange {
  transaction_id: string
  /** The event time to the millisecond; undefined for the newest. */
  timestamp?: string
  new_status: Status
  note?: string
  /** Versions of the row that the caller has seen; undefined when any will do. */
  versions?: readonly string[]
  actor: string
  request_id: string
}

export type StatusOutcome =
  | { kind: 'changed'; previous: string; version: string }
  | { kind: 'same'; version: string }
  | { kind: 'stale'; current: string }
  | { kind: 'missing' }

/**
 * Changes an anomaly's status and writes the audit row and the label that the status is, all or nothing. The row is
 * locked first, so that of two callers at once the second sees what the first did.
 */
export function changeStatus(database: Database, change: StatusChange): Promise<StatusOutcome> {
  return database.transaction(async (query) => {
    const row = await lock(query, change)
    if (row === undefined) return { kind: 'missing' }
    if (change.versions !== undefined && !change.versions.includes(row.version))
      return { kind: 'stale', current: row.status }
    if (row.status === change.new_status) return { kind: 'same', version: row.version }
    const version = await update(query, change, row)
    return { kind: 'changed', previous: row.status, version }
  })
}

/** A row that is locked. */
interface Locked {
  /** Microseconds and all: the key of the row. */
  exact_time: string
  status: string
  version: string
}

async function lock(query: Query, change: StatusChange): Promise<Locked | undefined> {
  const which = anomaliesWithId(change.transaction_id, change.timestamp)
  const [row] = await query<Locked>(
    `SELECT ${EXACT_TIME}, coalesce(t.status, 'NEW') AS status, ${VERSION}
     FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1 FOR UPDATE`,
    which.values,
    `lock-${which.name}`,
  )
  return row
}

async function update(query: Query, change: StatusChange, row: Locked): Promise<string> {
  const version = await writeStatus(query, change, row)
  await auditStatus(query, change, row)
  return version
}

/**
 * Writes the status and the label that it is: of a row that is locked.
 * @returns the row's new version: its xmin, which is this transaction
 */
export async function writeStatus(query: Query, change: StatusChange, row: Locked): Promise<string> {
  const [updated] = await query<{ version: string }>(
    `UPDATE transactions SET status = $3 WHERE transaction_id = $1 AND timestamp = $2
     RETURNING pg_current_xact_id()::xid::text AS version`,
    [change.transaction_id, row.exact_time, change.new_status],
    'write-status',
  )
  const { exact_time, status: previous_status } = row
  await labelByStatus(query, { ...change, exact_time, previous_status })
  return updated.version
}

/** Writes the audit row of a change: last of all that a transaction does, since until COMMIT nobody else can add to the audit. */
export async function auditStatus(query: Query, change: StatusChange, row: Locked): Promise<void> {
  await query(
    `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      change.transaction_id,
      row.exact_time,
      row.status,
      change.new_status,
      change.note ?? null,
      change.actor,
      change.request_id,
    ],
    'audit-status',
  )
}

export interface StatusEntry {
  previous_status: string
  new_status: string
  note: string | null
  actor: string
  /** ISO 8601, UTC, milliseconds. */
  changed_at: string
}

/** The audited changes of one anomaly, newest first. */
export function statusHistory(
  query: Query,
  transactionId: string,
  timestamp: string,
): Promise<StatusEntry[]> {
  return query<StatusEntry>(
    `SELECT t.previous_status, t.new_status, t.note, t.actor, ${isoTime('t.changed_at')} AS changed_at
     FROM status_audit t WHERE t.transaction_id = $1 AND ${atTime('$2')} ORDER BY t.seq DESC LIMIT 100`,
    [transactionId, timestamp],
    'status-history',
  )
}
