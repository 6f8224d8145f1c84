import type { Batch } from './batch.ts'
import { type Line, readLines } from './lines.ts'
import { FIELDS, type Field, type ParsedLine, parseFields, shown, type Texts } from './parse-fields.ts'
import { parseEpochMillis } from './parse-timestamp.ts'

/** A JSON number as it was written: JSON.parse alone would make a double of it and lose digits of an amount. */
class NumberText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const keepNumbers = (_key: string, value: unknown, context: { source: string }): unknown =>
  typeof value === 'number' ? new NumberText(context.source) : value
// TypeScript's library does not know the reviver's third argument yet.
const parseJson = JSON.parse as (text: string, reviver: typeof keepNumbers) => unknown

const known: ReadonlySet<string> = new Set(FIELDS)

/**
 * Reads NDJSON: an object a line, keys as the fields are called. A timestamp is a text as in CSV, or a number of
 * milliseconds; an amount is a number or a text, exact either way; null is the same as absent. A line that makes no
 * transaction is bad.
 * @param warn told about each key that is ignored, once
 */
export async function* parseNdjson(
  bytes: AsyncIterable<Buffer>,
  warn: (message: string) => void,
): AsyncGenerator<Batch> {
  const ignored = new Set<string>()
  for await (const lines of readLines(bytes)) {
    const batch: Batch = { transactions: [], bad: [], rounded: 0 }
    const before = ignored.size
    for (const line of lines) {
      if (line.text.trim() === '' && line.fault === undefined) continue
      const parsed = parseLine(line, ignored)
      if ('reason' in parsed) batch.bad.push({ line: line.number, reason: parsed.reason })
      else {
        batch.transactions.push(parsed.transaction)
        if (parsed.rounded) batch.rounded++
      }
    }
    if (ignored.size > before) warn(`keys ignored: ${[...ignored].slice(before).map(shown).join(', ')}`)
    yield batch
  }
}

function parseLine(line: Line, ignored: Set<string>): ParsedLine {
  if (line.fault) return { reason: line.fault }
  let value: unknown
  try {
    value = parseJson(line.text, keepNumbers)
  } catch {
    return { reason: 'is not JSON' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof NumberText) {
    return { reason: 'is not a JSON object' }
  }
  const texts: Texts = {}
  for (const [key, field] of Object.entries(value)) {
    if (field === null) continue
    if (!known.has(key)) {
      noteIgnored(key, ignored)
      continue
    }
    const text = toText(key as Field, field)
    if (typeof text === 'object') return text
    texts[key as Exclude<Field, 'timestamp'>] = text as string
  }
  return parseFields(texts)
}

/** Names of ignored keys that are remembered, and warned about, at most: memory is bounded. */
const MAX_IGNORED = 100

function noteIgnored(key: string, ignored: Set<string>): void {
  if (ignored.size < MAX_IGNORED) ignored.add(key)
}

/** The value as a CSV would write it; a timestamp that is a number in milliseconds. */
function toText(field: Field, value: unknown): string | number | { reason: string } {
  if (value instanceof NumberText) {
    if (field !== 'timestamp') return value.text
    return parseEpochMillis(value.text) ?? { reason: `timestamp ${value.text} is out of range` }
  }
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value
    return { reason: `${field} ${shown(value)} is not valid Unicode` }
  }
  if (typeof value === 'boolean' && field === 'is_fraud') return String(value)
  return { reason: `${field} ${shown(JSON.stringify(value))} is no value for this field` }
}
