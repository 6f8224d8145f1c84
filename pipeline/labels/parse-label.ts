import type { Label } from '../../schemas/label.ts'
import type { Fault, LineForm, Texts } from '../produce/line-form.ts'
import { parseTime, parseVerdict, shown } from '../produce/parse-values.ts'

/** The fields of a label; a file's columns have the same names. */
const FIELDS = [
  'transaction_id',
  'timestamp',
  'is_fraud',
  'origin',
  'known_at',
] as const satisfies (keyof Label)[]

/** What a label has where the file does not tell. */
export interface Defaults {
  origin?: string
  /** Milliseconds since 1970. */
  known_at?: number
}

/** Lines that are labels. */
export const labelLines = (defaults: Defaults): LineForm<Label> => ({
  fields: FIELDS,
  required: FIELDS.filter((field) => (defaults as Partial<Label>)[field] === undefined),
  remedy: 'without a column, --origin and --known-at tell it of all lines',
  times: ['timestamp', 'known_at'],
  flags: ['is_fraud'],
  parse: (texts) => parseLabel(texts, defaults),
})

/**
 * Makes a label of texts; what is absent or empty is missing. Whether its values are valid is the pipeline's to judge.
 * @returns the label, or the first reason why no Avro record can be made
 */
function parseLabel(texts: Texts, defaults: Defaults): Label | Fault {
  const text = (field: keyof Label) => String(texts[field] ?? '')
  const transaction_id = text('transaction_id')
  if (transaction_id === '') return { reason: 'transaction_id is missing' }
  const timestamp = parseTime('timestamp', texts.timestamp)
  if (typeof timestamp !== 'number') return timestamp
  // Never taken for granted: what has no label is not legitimate.
  const is_fraud = parseVerdict(text('is_fraud'))
  if (is_fraud === undefined)
    return { reason: `is_fraud ${shown(text('is_fraud'))} is none of 0, 1, true, false` }
  const origin = text('origin') || defaults.origin
  if (origin === undefined) return { reason: 'origin is missing, and there is no --origin' }
  // Never the time of sending: a file that is sent again would be another word, and the newest.
  const known_at = text('known_at') === '' ? defaults.known_at : parseTime('known_at', texts.known_at)
  if (known_at === undefined) return { reason: 'known_at is missing, and there is no --known-at' }
  if (typeof known_at !== 'number') return known_at
  return { transaction_id, timestamp, is_fraud, origin, known_at }
}
