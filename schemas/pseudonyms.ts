import { createHmac, randomBytes } from 'node:crypto'

/** Turns an id into a name by which its log lines can be found, and from which it cannot be got back. */
export type Pseudonyms = (id: string) => string

/**
 * @param key LOG_HMAC_KEY, so that all processes give the same names; without one they last as long as the process
 * @returns 16 characters for an id
 */
export function createPseudonyms(key: string | undefined): Pseudonyms {
  const secret = key ?? randomBytes(32)
  return (id) => createHmac('sha256', secret).update(id).digest('base64url').slice(0, 16)
}
