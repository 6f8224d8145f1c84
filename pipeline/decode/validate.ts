import { DAY } from '../../schemas/time.ts'
import { AMOUNT_UNITS, type Transaction } from '../../schemas/transaction.ts'
import type { RejectCode } from '../errors.ts'

export const FROM = Date.UTC(2000, 0, 1)
/** A Kafka time can be whatever its producer claims; microseconds since 2000 are exact in a double until 2285. */
export const UNTIL = Date.UTC(2200, 0, 1)
const AMOUNT_LIMIT = 1e9 * AMOUNT_UNITS
const ID_BYTES = 64

/** A fault of a transaction, or null. */
export type Fault = { code: RejectCode; message: string } | null

/**
 * Whether a decoded transaction may enter the stream. No wall clock: the record's own Kafka time bounds the event time.
 * @param recordTimestamp Kafka's time of the record, milliseconds
 * @param raw its bytes, to tell a replacement character that was sent from one that stands for broken UTF-8
 */
export function validate(tx: Transaction, recordTimestamp: number, raw: Buffer): Fault {
  if (!validId(tx.transaction_id)) return fault('INVALID_ID', 'transaction_id must have 1 to 64 bytes')
  if (!validId(tx.account_id)) return fault('INVALID_ID', 'account_id must have 1 to 64 bytes')
  if (!(tx.amount >= 0 && tx.amount < AMOUNT_LIMIT))
    return fault('INVALID_AMOUNT', 'amount must be from 0 to below 10^9')
  if (!isCurrency(tx.currency)) return fault('INVALID_CURRENCY', 'currency must be three letters')
  if (!(tx.timestamp >= FROM && tx.timestamp <= recordTimestamp + DAY && tx.timestamp < UNTIL)) {
    return fault(
      'INVALID_TIMESTAMP',
      "timestamp must be from 2000-01-01 to a day after the record's own time, and before 2200",
    )
  }
  const texts = [tx.transaction_id, tx.account_id, tx.merchant_id, tx.merchant_category, tx.location]
  return textFault(texts, raw)
}

/**
 * Whether PostgreSQL can store the texts.
 * @param texts all that come from the raw bytes
 */
export function textFault(texts: (string | null)[], raw: Buffer): Fault {
  for (const text of texts) if (text !== null && SUSPECT.test(text)) return suspectFault(texts, raw)
  return null
}

/** A NUL, or the character that stands for bytes that are not UTF-8: one pass over each text tells. */
const SUSPECT = /[\0\ufffd]/

function suspectFault(texts: (string | null)[], raw: Buffer): Fault {
  let replacements = 0
  for (const text of texts) {
    if (text?.includes('\0')) return fault('INVALID_TEXT', 'a text holds a NUL character')
    replacements += (text ?? '').split('\ufffd').length - 1
  }
  if (replacements > replacementsIn(raw)) return fault('INVALID_TEXT', 'a text is not UTF-8')
  return null
}

const fault = (code: RejectCode, message: string): Fault => ({ code, message })

const isCurrency = (text: string): boolean =>
  text.length === 3 &&
  isLetter(text.charCodeAt(0)) &&
  isLetter(text.charCodeAt(1)) &&
  isLetter(text.charCodeAt(2))

const isLetter = (unit: number): boolean => (unit | 32) >= 97 && (unit | 32) <= 122

// A UTF-16 unit takes at most 3 bytes: most ids need no counting.
export const validId = (id: string): boolean =>
  id.length > 0 && (id.length * 3 <= ID_BYTES || Buffer.byteLength(id) <= ID_BYTES)

const REPLACEMENT = Buffer.from('\ufffd')

function replacementsIn(raw: Buffer): number {
  let found = 0
  for (let at = raw.indexOf(REPLACEMENT); at !== -1; at = raw.indexOf(REPLACEMENT, at + 3)) found++
  return found
}
