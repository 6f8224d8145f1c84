import { appendAudit } from '../../schemas/audit.ts'
import type { Scope } from '../context.ts'
import type { Query } from '../sql/database.ts'
import { insertKey, lockKey, replaceKey, revokeKey, type StoredKey } from '../sql/keys.ts'
import { createKeyText, hashOf } from './key-text.ts'

/** What is done to keys: each change and its audit row are one transaction. */

export interface MadeKey {
  id: string
  /** Its text, which nobody can be told again. */
  key: string
  name: string
  scopes: Scope[]
  expires_at: Date | null
}

type Wanted = Pick<MadeKey, 'name' | 'scopes' | 'expires_at'>

/** Makes a key. @param actor who does it, for the audit */
export const createKey = (query: Query, wanted: Wanted, actor: string): Promise<MadeKey> =>
  inTransaction(query, async () => {
    const made = await insertNew(query, wanted, actor)
    await audit(query, 'key.create', actor, made)
    return made
  })

/**
 * Makes a key in place of another, which stays valid for the overlap.
 * @param expires when the new one ends; by default it lives as long as the old one was to
 * @throws when the old one is unknown, not valid any more, or has been replaced already
 */
export const rotateKey = (
  query: Query,
  id: string,
  { overlapMs, expires }: { overlapMs: number; expires?: (from: Date) => Date | null },
  actor: string,
): Promise<MadeKey & { old_id: string; old_expires_at: Date }> =>
  inTransaction(query, async () => {
    const now = new Date()
    const old = await existing(query, id)
    requireValid(old, now)
    if (old.replaced_by !== null)
      throw new Error(`${id} was rotated already: ${old.replaced_by} takes its place`)
    const expires_at = expires === undefined ? sameLife(old, now) : expires(now)
    const made = await insertNew(query, { name: old.name, scopes: old.scopes, expires_at }, actor)
    const old_expires_at = await replaceKey(query, id, made.id, new Date(now.getTime() + overlapMs))
    const replaced = { old_id: id, old_expires_at }
    await audit(query, 'key.rotate', actor, made, replaced)
    return { ...made, ...replaced }
  })

/**
 * Ends a key now. Twice does no harm.
 * @throws when it is unknown
 */
export const endKey = (
  query: Query,
  id: string,
  actor: string,
): Promise<{ revoked_at: Date; was_revoked: boolean }> =>
  inTransaction(query, async () => {
    const key = await existing(query, id)
    if (key.revoked_at !== null) return { revoked_at: key.revoked_at, was_revoked: true }
    const revoked_at = await revokeKey(query, id)
    await appendAudit(query, 'key.revoke', actor, { id, name: key.name })
    return { revoked_at, was_revoked: false }
  })

async function insertNew(query: Query, wanted: Wanted, actor: string): Promise<MadeKey> {
  const { id, text } = createKeyText()
  await insertKey(query, { ...wanted, id, secret_hash: hashOf(text), created_by: actor })
  return { id, key: text, ...wanted }
}

const audit = (
  query: Query,
  action: 'key.create' | 'key.rotate',
  actor: string,
  { id, name, scopes, expires_at }: MadeKey,
  more: Record<string, unknown> = {},
): Promise<void> => appendAudit(query, action, actor, { id, name, scopes, expires_at, ...more })

async function existing(query: Query, id: string): Promise<StoredKey> {
  const key = await lockKey(query, id)
  if (key === undefined)
    throw new Error(`there is no key ${id}; \`npm run keys -- list\` shows those that there are`)
  return key
}

function requireValid(key: StoredKey, now: Date): void {
  const ended = key.revoked_at ?? (key.expires_at !== null && key.expires_at <= now ? key.expires_at : null)
  if (ended === null) return
  throw new Error(
    `${key.id} is not valid since ${ended.toISOString()}; make a new one with \`npm run keys -- create\``,
  )
}

const sameLife = ({ created_at, expires_at }: StoredKey, now: Date): Date | null =>
  expires_at && new Date(now.getTime() + expires_at.getTime() - created_at.getTime())

async function inTransaction<T>(query: Query, work: () => Promise<T>): Promise<T> {
  await query('BEGIN')
  try {
    const result = await work()
    await query('COMMIT')
    return result
  } catch (error) {
    await query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    throw hinted(error as Error & { code?: string })
  }
}

const hinted = (error: Error & { code?: string }): Error =>
  ['42P01', '42703'].includes(error.code ?? '')
    ? new Error(`${error.message}; is the database migrated? See \`npm run migrate\``, { cause: error })
    : error
