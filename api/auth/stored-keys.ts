import { createHmac } from 'node:crypto'
import type { Logger } from '../../schemas/log.ts'
import { MINUTE } from '../../schemas/time.ts'
import { type Query, Unavailable } from '../sql/database.ts'
import { noteKeyUse, sessionSecret, type ValidKey, validKeys } from '../sql/keys.ts'

/**
 * The keys of the table, in this process's memory, so that a call costs no query. A key is never judged by a list that was
 * read longer than three seconds ago, or before the last notice of a change: then it is read anew, once for all who wait.
 * Only while the database does not answer the last list goes on counting, for a minute; then nobody is let in.
 */
export interface StoredKeys {
  /** A key that may be used now. @throws Unavailable when the list cannot be read and is too old */
  find(id: string): Promise<Entry | undefined>
  /** Those of the last list, without asking for another one. */
  lastKnown(): Entry[]
  /** Somebody called with it. Nobody waits for that to be noted. */
  used(id: string): void
  /** Somebody changed the table: it is read anew at once. */
  changed(): void
}

export interface Entry extends ValidKey {
  /** What sessions of this key are signed by. */
  sessionKey: Buffer
}

const FRESH_MS = 3000
const LAST_KNOWN_MS = MINUTE
/** Nobody waits longer for a new list while there is a last one: a caller is to have his 503 within two seconds. */
const PATIENCE_MS = 500
/** After a reading that failed. */
const RETRY_MS = 1000
const NOTE_USE_MS = 10 * MINUTE

/** @param now milliseconds since 1970, by which keys expire */
export function createStoredKeys(query: Query, log: Logger, now: () => number): StoredKeys {
  let list = new Map<string, Entry>()
  /** When the reading of the list began, by a clock that nobody sets. */
  let readAt = Number.NEGATIVE_INFINITY
  let freshUntil = 0
  let reading: Promise<void> | undefined
  /** Readings are numbered; earlier ones than the first after a change may have missed it. */
  let begun = 0
  let firstAfterChange = 0
  const notedAt = new Map<string, number>()

  function refresh(): Promise<void> {
    reading ??= read(++begun)
    return reading
  }

  async function read(number: number): Promise<void> {
    const began = performance.now()
    try {
      const [keys, secret] = await Promise.all([validKeys(query), sessionSecret(query)])
      if (began < readAt) return
      list = new Map(keys.map((key) => [key.id, { ...key, sessionKey: sessionKeyOf(secret, key) }]))
      readAt = began
      if (number >= firstAfterChange) freshUntil = began + FRESH_MS
    } catch (error) {
      log.warn({ err: error }, 'the API keys could not be read')
      if (number === begun) freshUntil = performance.now() + RETRY_MS
    } finally {
      if (number === begun) reading = undefined
    }
  }

  const isKnown = () => performance.now() - readAt <= LAST_KNOWN_MS

  async function current(): Promise<Map<string, Entry>> {
    if (performance.now() >= freshUntil) {
      const refreshed = refresh()
      await (isKnown() ? Promise.race([refreshed, patience()]) : refreshed)
    }
    if (!isKnown()) throw new Unavailable('the API keys could not be read')
    return list
  }

  const isValid = ({ expires_at }: Entry): boolean => expires_at === null || expires_at.getTime() > now()

  return {
    async find(id) {
      const entry = (await current()).get(id)
      return entry !== undefined && isValid(entry) ? entry : undefined
    },
    lastKnown: () => [...list.values()].filter(isValid),
    used(id) {
      if (performance.now() - (notedAt.get(id) ?? Number.NEGATIVE_INFINITY) < NOTE_USE_MS) return
      notedAt.set(id, performance.now())
      noteKeyUse(query, id).catch(() => notedAt.delete(id))
    },
    changed() {
      freshUntil = 0
      firstAfterChange = begun + 1
      reading = undefined
      void refresh()
    },
  }
}

/** Bound to the key's own hash, so that a session outlives neither its key nor the shared secret. */
const sessionKeyOf = (secret: Buffer, { id, secret_hash }: ValidKey): Buffer =>
  createHmac('sha256', secret).update(`weir: session cookie, version 2, ${id} `).update(secret_hash).digest()

const patience = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, PATIENCE_MS).unref()
  })
