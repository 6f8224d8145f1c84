import type { Entry } from '../audit/entry.ts'
import type { Query } from './database.ts'
import { exactIsoTime } from './items.ts'

const PAGE = 1000

const COLUMNS = `
  a.seq::text, a.id::text, ${exactIsoTime('a.changed_at')} AS changed_at, a.actor, a.action, a.details::text, a.transaction_id,
  ${exactIsoTime('a.timestamp')} AS timestamp, a.previous_status, a.new_status, a.note, a.request_id,
  encode(a.previous_hash, 'hex') AS previous_hash, encode(a.hash, 'hex') AS hash`

export interface Head {
  seq: number
  /** 64 hex digits. */
  hash: string
  database: string
}

/** The last link; undefined when somebody removed it. */
export async function auditHead(query: Query): Promise<Head | undefined> {
  const [head] = await query<Head>(
    `SELECT seq, encode(hash, 'hex') AS hash, current_database() AS database FROM audit_head`,
  )
  return head
}

/** The number of the last row, which is how many there are while the chain is whole; 0 for none. */
export async function auditLength(query: Query): Promise<number> {
  const [{ length }] = await query<{ length: number }>(
    'SELECT coalesce(max(seq), 0) AS length FROM status_audit',
  )
  return length
}

export interface Period {
  /** Changes from this time on, ISO 8601. */
  from?: string
  /** Changes before this time. */
  to?: string
}

/**
 * Rows in the order of the chain, a page at a time: within a transaction, whose snapshot all pages and the head belong to.
 * A cursor, not the last seq: of rows that were put in, two may have the same.
 */
export async function* auditPages(query: Query, { from, to }: Period = {}): AsyncGenerator<Entry[]> {
  await query(
    `DECLARE audit CURSOR FOR SELECT ${COLUMNS} FROM status_audit a
     WHERE a.changed_at >= coalesce($1, '-infinity'::timestamptz)
       AND a.changed_at < coalesce($2, 'infinity'::timestamptz)
     ORDER BY a.seq, a.id`,
    [from ?? null, to ?? null],
  )
  for (;;) {
    const page = await query<Entry>(`FETCH ${PAGE} FROM audit`)
    if (page.length > 0) yield page
    if (page.length < PAGE) return
  }
}

/** The newest rows, the newest first. */
export const newestEntries = (query: Query, limit: number): Promise<Entry[]> =>
  query<Entry>(`SELECT ${COLUMNS} FROM status_audit a ORDER BY a.seq DESC LIMIT $1`, [limit])
