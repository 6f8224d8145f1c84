import type { Scope } from '../context.ts'
import type { Query } from './database.ts'

/** A key as it is stored: everything but its text. */
export interface StoredKey {
  id: string
  name: string
  scopes: Scope[]
  created_at: Date
  created_by: string
  /** It is valid before this time; null for ever. */
  expires_at: Date | null
  revoked_at: Date | null
  /** The key that took its place. */
  replaced_by: string | null
  /** To some ten minutes; null if never. */
  last_used_at: Date | null
}

const COLUMNS = 'id, name, scopes, created_at, created_by, expires_at, revoked_at, replaced_by, last_used_at'

/** A key that may be used now, with the SHA-256 of its text. */
export type ValidKey = Pick<StoredKey, 'id' | 'name' | 'scopes' | 'expires_at' | 'replaced_by'> & {
  secret_hash: Buffer
}

/** Every key that is neither revoked nor expired. */
export const validKeys = (query: Query): Promise<ValidKey[]> =>
  query<ValidKey>(
    `SELECT id, name, scopes, expires_at, replaced_by, secret_hash FROM api_keys
     WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
  )

/** The secret that all API processes sign sessions by. */
export async function sessionSecret(query: Query): Promise<Buffer> {
  const [row] = await query<{ secret: Buffer }>(`SELECT secret FROM api_secrets WHERE name = 'session'`)
  if (row === undefined) throw new Error('api_secrets has no secret for sessions')
  return row.secret
}

/** All keys, the newest first. */
export const listKeys = (query: Query): Promise<StoredKey[]> =>
  query<StoredKey>(`SELECT ${COLUMNS} FROM api_keys ORDER BY created_at DESC, id`)

/** A key that stays as it is until the transaction ends; undefined for an unknown id. */
export async function lockKey(query: Query, id: string): Promise<StoredKey | undefined> {
  const [key] = await query<StoredKey>(`SELECT ${COLUMNS} FROM api_keys WHERE id = $1 FOR UPDATE`, [id])
  return key
}

export interface NewKey {
  id: string
  name: string
  secret_hash: Buffer
  scopes: readonly Scope[]
  created_by: string
  expires_at: Date | null
}

export async function insertKey(query: Query, key: NewKey): Promise<void> {
  await query(
    `INSERT INTO api_keys (id, name, secret_hash, scopes, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
    [key.id, key.name, key.secret_hash, key.scopes, key.created_by, key.expires_at],
  )
}

/** @returns when the old key ends: after the overlap, or when it would have ended anyway */
export async function replaceKey(query: Query, id: string, by: string, until: Date): Promise<Date> {
  const [row] = await query<{ expires_at: Date }>(
    `UPDATE api_keys SET replaced_by = $2, expires_at = least(expires_at, $3) WHERE id = $1 RETURNING expires_at`,
    [id, by, until],
  )
  return row.expires_at
}

export async function revokeKey(query: Query, id: string): Promise<Date> {
  const [row] = await query<{ revoked_at: Date }>(
    'UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = $1 RETURNING revoked_at',
    [id],
  )
  return row.revoked_at
}

/** Notes that a key is in use, unless that was done within the last ten minutes. */
export async function noteKeyUse(query: Query, id: string): Promise<void> {
  await query(
    `UPDATE api_keys SET last_used_at = now()
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '10 minutes')`,
    [id],
  )
}
