import type { Label } from '../../schemas/label.ts'
import { shown } from '../produce/parse-fields.ts'
import { parseTimestamp } from '../produce/parse-timestamp.ts'

/** The fields of a label; a file's columns have the same names. */
export const FIELDS = [
  'transaction_id',
  'timestamp',
  'is_fraud',
  'origin',
  'known_at',
] as const satisfies (keyof Label)[]
export type Field = (typeof FIELDS)[number]

/** A label as a file writes it; what is absent or empty is missing. Times may be numbers of milliseconds. */
export type Texts = Partial<Record<Field, string | number>>

/** What a label has that the file does not tell. */
export interface Defaults {
  origin?: string
  /** Milliseconds since 1970. */
  known_at: number
}

const VERDICTS: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['1', true],
  ['false', false],
  ['true', true],
])

/**
 * Makes a label of texts. Whether its values are valid is the pipeline's to judge.
 * @returns the label, or the first reason why no Avro record can be made
 */
export function parseLabel(texts: Texts, defaults: Defaults): Label | { reason: string } {
  const text = (field: Field) => String(texts[field] ?? '')
  const transaction_id = text('transaction_id')
  if (transaction_id === '') return { reason: 'transaction_id is missing' }
  const timestamp = timeOf(texts.timestamp)
  if (timestamp === undefined) return noTime('timestamp', texts.timestamp)
  // Never taken for granted: what has no label is not legitimate.
  const is_fraud = VERDICTS.get(text('is_fraud').trim().toLowerCase())
  if (is_fraud === undefined)
    return { reason: `is_fraud ${shown(text('is_fraud'))} is none of 0, 1, true, false` }
  const origin = text('origin') || defaults.origin
  if (origin === undefined) return { reason: 'origin is missing, and there is no --origin' }
  const known_at = text('known_at') === '' ? defaults.known_at : timeOf(texts.known_at)
  if (known_at === undefined) return noTime('known_at', texts.known_at)
  return { transaction_id, timestamp, is_fraud, origin, known_at }
}

/** The farthest time that a Date can hold, in milliseconds. */
const MAX_TIME = 8.64e15

function timeOf(value: string | number | undefined): number | undefined {
  if (typeof value !== 'number') return parseTimestamp((value ?? '').trim())
  return Math.abs(value) <= MAX_TIME ? Math.floor(value) : undefined
}

function noTime(field: Field, value: string | number | undefined): { reason: string } {
  if (value === undefined || value === '') return { reason: `${field} is missing` }
  return {
    reason: `${field} ${shown(value)} is not a time such as 2026-01-31T12:00:00Z or 2026-01-31 12:00:00`,
  }
}
