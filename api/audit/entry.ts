import { createHash } from 'node:crypto'

/**
 * A row of `status_audit` as text, as PostgreSQL prints it: numbers in decimals, times in ISO 8601 UTC with microseconds, JSON
 * as jsonb prints it, hashes in hex. This is what is hashed and what is exported.
 */
export interface Entry {
  /** Its place in the chain: 1, 2, 3 without a gap. */
  seq: string
  id: string
  changed_at: string
  actor: string
  /** `status`, or what else was done. */
  action: string
  details: string
  /** These six are of a change of status; null otherwise. */
  transaction_id: string | null
  timestamp: string | null
  previous_status: string | null
  new_status: string | null
  note: string | null
  request_id: string | null
  previous_hash: string
  hash: string
}

/** Before the first row. */
export const GENESIS = '00'.repeat(32)

/**
 * The hash that a row must have: SHA-256 over the name of this form and then each field as its length in bytes, a colon and
 * the text, null as a hyphen. The function `audit_hash` in the database does the same; neither knows of the other, so that
 * a changed function does not hide a changed row.
 * @returns 64 hex digits
 */
export function hashOfEntry(entry: Entry): string {
  const fields = [
    entry.previous_hash,
    entry.seq,
    entry.id,
    entry.changed_at,
    entry.actor,
    entry.action,
    entry.details,
    entry.transaction_id,
    entry.timestamp,
    entry.previous_status,
    entry.new_status,
    entry.note,
    entry.request_id,
  ]
  return createHash('sha256')
    .update(`weir-audit-1${fields.map(encoded).join('')}`)
    .digest('hex')
}

const encoded = (field: string | null): string =>
  field === null ? '-' : `${Buffer.byteLength(field)}:${field}`
