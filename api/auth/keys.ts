import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Caller, Scope } from '../context.ts'
import { hashOf, idOf } from './key-text.ts'
import { ALL_SCOPES } from './scopes.ts'
import type { Entry, StoredKeys } from './stored-keys.ts'

/** A key that may be used now. */
export interface Key {
  /** As sessions name it; the audit and the limits know it by `caller`. */
  id: string
  caller: Caller
  /** What its sessions are signed by: they end with it. */
  sessionKey: Buffer
}

export interface Keys {
  /**
   * Whose key this is; undefined for nobody's. An unknown id, a wrong secret and the right one take the same work: one
   * hash, and a comparison with the environment's and with one other. A text without the form of a key takes that, too,
   * and is not looked for.
   * @throws Unavailable when the table's keys are needed and could not be read for too long
   */
  recognise(presented: string): Promise<Key | undefined>
  /** A valid key by its id, for its sessions. @throws Unavailable as above */
  find(id: string): Promise<Key | undefined>
}

/** The id of the environment's key, which no key of the table can have. */
const ENVIRONMENT = 'environment'
/** No text has this hash. */
const NOBODY = Buffer.alloc(32)

/** @param apiKey API_KEY, which has all scopes; undefined when it is not set: then only the table's keys are known */
export function createKeys(apiKey: string | undefined, stored: StoredKeys): Keys {
  const environment = apiKey === undefined ? undefined : environmentKey(apiKey)
  const expected = apiKey === undefined ? NOBODY : hashOf(apiKey)

  return {
    async recognise(presented) {
      const given = hashOf(presented)
      const isEnvironments = timingSafeEqual(given, expected)
      const id = isEnvironments ? undefined : idOf(presented)
      const entry = id === undefined ? undefined : await stored.find(id)
      const isEntrys = timingSafeEqual(given, entry?.secret_hash ?? NOBODY)
      if (isEnvironments) return environment
      if (!isEntrys) return undefined
      stored.used(entry!.id)
      return keyOf(entry!)
    },
    async find(id) {
      if (id === ENVIRONMENT) return environment
      const entry = await stored.find(id)
      if (entry === undefined) return undefined
      stored.used(id)
      return keyOf(entry)
    },
  }
}

function environmentKey(apiKey: string): Key {
  return {
    id: ENVIRONMENT,
    caller: {
      kind: 'key',
      bucket: `key:${hashOf(apiKey).toString('base64url')}`,
      actor: 'API_KEY',
      scopes: ALL_SCOPES,
    },
    sessionKey: createHmac('sha256', apiKey).update('weir: session cookie, version 2').digest(),
  }
}

const keyOf = ({ id, name, scopes, sessionKey }: Entry): Key => ({
  id,
  caller: {
    kind: 'key',
    bucket: `key:${id}`,
    actor: `${name} (key ${id})`,
    scopes: new Set<Scope>(scopes),
  },
  sessionKey,
})
