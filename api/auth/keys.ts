import { createHash, timingSafeEqual } from 'node:crypto'
import type { Caller } from '../context.ts'

/** Tells who presents a key; undefined when nobody does. */
export type KeyLookup = (presented: string) => Caller | undefined

/**
 * The one key of the settings. Hashes are compared, so that neither the content nor the length of the key shows
 * in the time that a comparison takes.
 */
export function createKeyLookup(apiKey: string): KeyLookup {
  const expected = hash(apiKey)
  const caller: Caller = {
    kind: 'key',
    bucket: `key:${expected.toString('base64url')}`,
    actor: 'API_KEY',
  }
  return (presented) => (timingSafeEqual(hash(presented), expected) ? caller : undefined)
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
