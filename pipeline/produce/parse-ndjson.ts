import { add, type Fault, type LineForm, type Parsed, type Texts } from './line-form.ts'
import { type Line, readLines } from './lines.ts'
import { parseEpochMillis } from './parse-timestamp.ts'
import { shown } from './parse-values.ts'

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

/**
 * Reads NDJSON: an object a line, keys as the fields are called. A time is a text as in CSV, or a number of
 * milliseconds; any other number is taken as it is written, an amount exactly; null is the same as absent. A line that
 * makes no item is bad.
 * @param warn told about each key that is ignored, once
 */
export async function* parseNdjson<T extends object>(
  bytes: AsyncIterable<Buffer>,
  form: LineForm<T>,
  warn: (message: string) => void,
): AsyncGenerator<Parsed<T>> {
  const ignored = new Set<string>()
  for await (const lines of readLines(bytes)) {
    const parsed: Parsed<T> = { items: [], bad: [] }
    const before = ignored.size
    for (const line of lines) {
      if (line.text.trim() === '' && line.fault === undefined) continue
      add(parsed, line.number, parseLine(line, form, ignored))
    }
    if (ignored.size > before) warn(`keys ignored: ${[...ignored].slice(before).map(shown).join(', ')}`)
    yield parsed
  }
}

function parseLine<T>(line: Line, form: LineForm<T>, ignored: Set<string>): T | Fault {
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
    if (!form.fields.includes(key)) {
      noteIgnored(key, ignored)
      continue
    }
    const text = toText(key, field, form)
    if (typeof text === 'object') return text
    texts[key] = text
  }
  return form.parse(texts)
}

/** Names of ignored keys that are remembered, and warned about, at most: memory is bounded. */
const MAX_IGNORED = 100

function noteIgnored(key: string, ignored: Set<string>): void {
  if (ignored.size < MAX_IGNORED) ignored.add(key)
}

/** The value as a CSV would write it; a time that is a number in milliseconds. */
function toText(
  field: string,
  value: unknown,
  { times, flags }: Pick<LineForm<unknown>, 'times' | 'flags'>,
): string | number | Fault {
  if (value instanceof NumberText) {
    if (!times.includes(field)) return value.text
    return parseEpochMillis(value.text) ?? { reason: `${field} ${value.text} is out of range` }
  }
  if (typeof value === 'string') {
    if (value.isWellFormed()) return value
    return { reason: `${field} ${shown(value)} is not valid Unicode` }
  }
  if (typeof value === 'boolean' && flags.includes(field)) return String(value)
  return { reason: `${field} ${shown(JSON.stringify(value))} is no value for this field` }
}
