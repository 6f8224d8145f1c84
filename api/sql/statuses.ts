import type { Status } from '../../schemas/transaction.ts'
import type { Database, Query } from './database.ts'
import { parameters, unseen } from './given.ts'
import { anomaliesWithId, atTime, EXACT_TIME, isoTime, VERSION } from './items.ts'
import { labelsOf } from './labels.ts'

/** What somebody says of one anomaly or of many. */
export interface Decision {
  new_status: Status
  note?: string
  actor: string
  request_id: string
}

export interface StatusChange extends Decision {
  transaction_id: string
  /** The event time to the millisecond; undefined for the newest. */
  timestamp?: string
  /** Versions of the row that the caller has seen; undefined when any will do. */
  versions?: readonly string[]
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
    const version = await writeStatuses(query, change, [row])
    return { kind: 'changed', previous: row.status, version }
  })
}

/** A row that is locked. */
export interface LockedRow {
  transaction_id: string
  /** Microseconds and all: the key of the row. */
  exact_time: string
  status: Status
  version: string
}

async function lock(query: Query, change: StatusChange): Promise<LockedRow | undefined> {
  const { values, given } = parameters()
  const which = anomaliesWithId(given, change.transaction_id, change.timestamp)
  const [row] = await query<LockedRow>(
    `SELECT t.transaction_id, ${EXACT_TIME}, coalesce(t.status, 'NEW') AS status, ${VERSION}
     FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1 FOR UPDATE`,
    values,
    `lock-${which.name}`,
  )
  return row
}

/**
 * Writes a status, the labels that it is and the audit: of rows that are locked. One statement for however many, since a
 * round trip takes longer than a row. The audit comes last, behind what the labels may wait for: until COMMIT nobody else
 * can add to it.
 * @param rows which have another status
 * @returns the version that they have now: their xmin, which is this transaction
 */
export async function writeStatuses(
  query: Query,
  { new_status, note, actor, request_id }: Decision,
  rows: readonly LockedRow[],
): Promise<string> {
  const { values, given } = parameters()
  const list = (type: string, of: (row: LockedRow) => string) => unseen(given(rows.map(of)), type)
  const label = labelsOf(given, new_status, actor, rows)
  const status = given(new_status)
  const [{ version }] = await query<{ version: string }>(
    `WITH updated AS (
       UPDATE transactions t SET status = ${status}
       FROM unnest(${list('text[]', (row) => row.transaction_id)}, ${list('timestamptz[]', (row) => row.exact_time)},
                   ${list('text[]', (row) => row.status)}) AS c (transaction_id, timestamp, previous_status)
       WHERE t.transaction_id = c.transaction_id AND t.timestamp = c.timestamp
       RETURNING c.*),
     labelled AS (${label.sql}),
     audited AS (
       INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)
       SELECT transaction_id, timestamp, previous_status, ${status}, ${given(note ?? null)}, ${given(actor)}, ${given(request_id)}
       FROM updated WHERE (SELECT count(*) FROM labelled) >= 0 -- so these are written first
       ORDER BY timestamp, transaction_id)
     SELECT pg_current_xact_id()::xid::text AS version`,
    values,
    `write-statuses-${label.name}`,
  )
  return version
}

export interface StatusEntry {
  previous_status: string
  new_status: string
  note: string | null
  actor: string
  /** ISO 8601, UTC, milliseconds. */
  changed_at: string
}

/** The audited changes `a` of one anomaly, newest first. */
export const historyOf = (which: string): string => `
  SELECT a.previous_status, a.new_status, a.note, a.actor, ${isoTime('a.changed_at')} AS changed_at
  FROM status_audit a WHERE ${which} ORDER BY a.seq DESC LIMIT 100`

/** @param timestamp the event time to the millisecond */
export const statusHistory = (
  query: Query,
  transactionId: string,
  timestamp: string,
): Promise<StatusEntry[]> =>
  query<StatusEntry>(
    historyOf(`a.transaction_id = $1 AND ${atTime('a', '$2')}`),
    [transactionId, timestamp],
    'status-history',
  )
