import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * A key's text: `weir_<id>_<random>_<crc32>`, where the random part has 200 bits. The checksum is of all before it: it lets a
 * scanner for leaked secrets tell a key from what only looks like one. Whoever checks a key needs it not: the hash is of
 * the whole text.
 */

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const ID_LENGTH = 8
const RANDOM_LENGTH = 40
const FORM = /^weir_([0-9a-z]{8})_[0-9a-z]{40}_[0-9a-f]{8}$/

/** A new key. Its text is in no log and no table: whoever made it is the only one to have it. */
export function createKeyText(): { id: string; text: string } {
  const id = randomText(ID_LENGTH)
  const body = `weir_${id}_${randomText(RANDOM_LENGTH)}`
  return { id, text: `${body}_${checksum(body)}` }
}

/** The id in a key's text; undefined when it has not the form of one. */
export const idOf = (text: string): string | undefined => FORM.exec(text)?.[1]

/** Whether the text has the form of a key and its checksum. */
export const isWhole = (text: string): boolean =>
  FORM.test(text) && checksum(text.slice(0, -9)) === text.slice(-8)

/** What is stored and compared instead of the text. */
export const hashOf = (text: string): Buffer => createHash('sha256').update(text).digest()

const checksum = (text: string): string => crc32(text).toString(16).padStart(8, '0')

/** The alphabet has 32 characters, so that each is as likely as any other. */
const randomText = (length: number): string =>
  Array.from(randomBytes(length), (byte) => ALPHABET[byte & 31]).join('')
