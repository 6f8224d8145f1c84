import type { Status } from '../../schemas/transaction.ts'
import type { Query } from './database.ts'
import { type Given, parameters } from './given.ts'
import { anomaliesWithId, atTime, isoTime, VERSION } from './items.ts'
import { labelOf } from './labels.ts'

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
 * Changes an anomaly's status and writes the audit row and the label that the status is, all or nothing: in one statement,
 * whose first part locks the row, so that of two callers at once the second sees what the first did.
 */
export async function changeStatus(query: Query, change: StatusChange): Promise<StatusOutcome> {
  const { values, given } = parameters()
  const which = anomaliesWithId(given, change.transaction_id, change.timestamp)
  const [status, versions] = [given(change.new_status), given(change.versions ?? null)]
  const writes = writesOf(given, change)
  const [row] = await query<Locked>(
    `WITH locked AS MATERIALIZED (
       SELECT t.transaction_id, t.timestamp, coalesce(t.status, 'NEW') AS status, ${VERSION}
       FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1 FOR UPDATE),
     changed AS MATERIALIZED (
       SELECT transaction_id, timestamp, status AS previous_status FROM locked
       WHERE status <> ${status} AND (${versions}::text[] IS NULL OR version = ANY (${versions}))),
     ${writes.sql}
     SELECT l.status, l.version, u.version AS new_version FROM locked l LEFT JOIN updated u ON true`,
    values,
    `${writes.name}-${which.name}`,
  )
  return outcomeOf(row, change)
}

/** A row as it was when it was locked. */
interface Locked {
  status: string
  version: string
  /** Null when nothing was changed. */
  new_version: string | null
}

function outcomeOf(row: Locked | undefined, { versions }: StatusChange): StatusOutcome {
  if (row === undefined) return { kind: 'missing' }
  const { status, version, new_version } = row
  if (new_version !== null) return { kind: 'changed', previous: status, version: new_version }
  const isSeen = versions === undefined || versions.includes(version)
  return isSeen ? { kind: 'same', version } : { kind: 'stale', current: status }
}

/**
 * The parts of a statement that write the changes which its part `changed (transaction_id, timestamp, previous_status)`
 * lists, of rows that are locked: `updated` has them, too, with the rows' new version. Labels and audit rows are written of
 * what was updated, so behind it: until COMMIT nobody else can add to the audit.
 */
export function writesOf(
  given: Given,
  { new_status, note, actor, request_id }: Decision,
): { sql: string; name: string } {
  const status = given(new_status)
  const label = labelOf(given, new_status, actor)
  const sql = `
    updated AS (
      UPDATE transactions t SET status = ${status} FROM changed c
      WHERE t.transaction_id = c.transaction_id AND t.timestamp = c.timestamp
      RETURNING c.*, pg_current_xact_id()::xid::text AS version),
    labelled AS (${label.sql}),
    audited AS (
      INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)
      SELECT transaction_id, timestamp, previous_status, ${status}, ${given(note ?? null)}, ${given(actor)}, ${given(request_id)}
      FROM updated ORDER BY timestamp, transaction_id)`
  return { sql, name: `change-to-${label.name}` }
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
