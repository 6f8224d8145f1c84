import { CHANNELS, type Channel, type Transaction } from '../../schemas/transaction.ts'
import type { Fault, LineForm } from './line-form.ts'
import { parseAmount } from './parse-amount.ts'
import { parseTime, parseVerdict, shown } from './parse-values.ts'

/** The fields of a transaction; a file's columns have the same names. */
const FIELDS = [
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
type Field = (typeof FIELDS)[number]

/** Fields without a default. */
const REQUIRED: readonly Field[] = ['transaction_id', 'account_id', 'timestamp', 'amount']

/** A transaction as a file writes it: texts, and the timestamp already in milliseconds where it was a number. */
export type Texts = { [F in Exclude<Field, 'timestamp'>]?: string } & { timestamp?: string | number }

export interface ParsedFields {
  transaction: Transaction
  /** The amount was written with more than four decimals. */
  rounded: boolean
}

/** Lines that are transactions. */
export const transactionLines: LineForm<ParsedFields> = {
  fields: FIELDS,
  required: REQUIRED,
  times: ['timestamp'],
  flags: ['is_fraud'],
  parse: (texts) => parseFields(texts as Texts),
}

/**
 * Makes a transaction of texts. A text that is absent or empty is missing: optional fields then take their defaults.
 * Whether the values are valid (a negative amount, a time in the far future) is the pipeline's to judge.
 * @returns the transaction, or the first reason why no Avro record can be made
 */
export function parseFields(texts: Texts): ParsedFields | Fault {
  for (const field of REQUIRED) {
    if (texts[field] === undefined || texts[field] === '') return { reason: `${field} is missing` }
  }
  const timestamp = parseTime('timestamp', texts.timestamp)
  if (typeof timestamp !== 'number') return timestamp
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

const parseLabel = (text: string): boolean | null | undefined => (text === '' ? null : parseVerdict(text))

const fault = (field: Field, text: unknown, what: string): Fault => ({
  reason: `${field} ${shown(text)} ${what}`,
})
