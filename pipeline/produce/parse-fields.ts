import { CHANNELS, type Channel, type Transaction } from '../../schemas/transaction.ts'
import { parseAmount } from './parse-amount.ts'
import { parseTimestamp } from './parse-timestamp.ts'

/** The fields of a transaction; a file's columns have the same names. */
export const FIELDS = [
  'transaction_id',
  'account_id',
  'timestamp',
  'amount',
  'currency',
  'merchant_id',
  'merchant_category',
  'location',
  'channel',
  'is_fraud',
] as const satisfies (keyof Transaction)[]
export type Field = (typeof FIELDS)[number]

/** Fields without a default. */
export const REQUIRED: readonly Field[] = ['transaction_id', 'account_id', 'timestamp', 'amount']

/** A transaction as a file writes it: texts, and the timestamp already in milliseconds where it was a number. */
export type Texts = { [F in Exclude<Field, 'timestamp'>]?: string } & { timestamp?: string | number }

export type ParsedLine = { transaction: Transaction; rounded: boolean } | { reason: string }

/**
 * Makes a transaction of texts. A text that is absent or empty is missing: optional fields then take their defaults.
 * Whether the values are valid (a negative amount, a time in the far future) is the pipeline's to judge.
 * @returns the transaction, or the first reason why no Avro record can be made
 */
export function parseFields(texts: Texts): ParsedLine {
  for (const field of REQUIRED) {
    if (texts[field] === undefined || texts[field] === '') return { reason: `${field} is missing` }
  }
  const timestamp =
    typeof texts.timestamp === 'number' ? texts.timestamp : parseTimestamp(texts.timestamp!.trim())
  if (timestamp === undefined) {
    return fault(
      'timestamp',
      texts.timestamp,
      'is not a time such as 2026-01-31T12:00:00Z or 2026-01-31 12:00:00',
    )
  }
  const amount = parseAmount(texts.amount!.trim())
  if (typeof amount === 'string') return fault('amount', texts.amount, amount)
  const channel = parseChannel((texts.channel ?? '').trim())
  if (channel === undefined) return fault('channel', texts.channel, `is none of ${CHANNELS.join(', ')}`)
  const is_fraud = parseLabel((texts.is_fraud ?? '').trim())
  if (is_fraud === undefined)
    return fault('is_fraud', texts.is_fraud, 'is none of 0, 1, true, false or empty')
  const transaction: Transaction = {
    transaction_id: texts.transaction_id!,
    account_id: texts.account_id!,
    timestamp,
    amount: amount.units,
    currency: texts.currency || 'EUR',
    merchant_id: texts.merchant_id || null,
    merchant_category: texts.merchant_category ?? '',
    location: texts.location ?? '',
    channel,
    is_fraud,
  }
  return { transaction, rounded: amount.rounded }
}

const channels: ReadonlySet<string> = new Set(CHANNELS)

function parseChannel(text: string): Channel | undefined {
  if (text === '') return 'OTHER'
  return channels.has(text) ? (text as Channel) : undefined
}

const labels: ReadonlyMap<string, boolean | null> = new Map([
  ['', null],
  ['0', false],
  ['1', true],
  ['false', false],
  ['true', true],
])

const parseLabel = (text: string): boolean | null | undefined => labels.get(text.toLowerCase())

const fault = (field: Field, text: unknown, what: string): ParsedLine => ({
  reason: `${field} ${shown(text)} ${what}`,
})

/** Characters of a value that a message shows. */
const SHOWN = 40

/** A value for a message: quoted, control characters escaped, not too long. */
export function shown(value: unknown): string {
  const text = String(value)
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}
