import { parse } from 'csv-parse/sync'
import type { Label } from '../../schemas/label.ts'
import type { BadLine } from '../produce/batch.ts'
import { type Line, readLines } from '../produce/lines.ts'
import { shown } from '../produce/parse-fields.ts'
import { type Defaults, FIELDS, type Field, parseLabel, type Texts } from './parse-label.ts'

/** Labels of a file, and the lines of it that make none. */
export interface ReadLabels {
  labels: Label[]
  bad: BadLine[]
}

export interface ReadOptions {
  isNdjson: boolean
  defaults: Defaults
  /** Told about columns that are ignored. */
  warn: (message: string) => void
}

/** @returns the texts of a line, or why there are none */
type LineReader = (text: string) => Texts | { reason: string }

/**
 * Reads labels, one a line: CSV whose first line names the columns, or JSON objects.
 * @throws when the header cannot be used
 */
export async function* readLabels(
  bytes: AsyncIterable<Buffer>,
  { isNdjson, defaults, warn }: ReadOptions,
): AsyncGenerator<ReadLabels> {
  let read: LineReader | undefined = isNdjson ? readJson : undefined
  for await (const lines of readLines(bytes)) {
    const result: ReadLabels = { labels: [], bad: [] }
    for (const line of lines) {
      if (line.text.trim() === '' && line.fault === undefined) continue
      if (read === undefined) {
        read = csvReader(line, defaults, warn)
        continue
      }
      const texts = line.fault === undefined ? read(line.text) : { reason: line.fault }
      const label = 'reason' in texts ? texts : parseLabel(texts, defaults)
      if ('reason' in label) result.bad.push({ line: line.number, reason: label.reason })
      else result.labels.push(label)
    }
    yield result
  }
  if (read === undefined) throw new Error('the file is empty; its first line must name the columns')
}

/** Of a line that must be the header. */
function csvReader(header: Line, defaults: Defaults, warn: (message: string) => void): LineReader {
  const where = `the header (line ${header.number})`
  const names = cellsOf(header.text)?.map((name) => name.trim())
  if (header.fault !== undefined || names === undefined)
    throw new Error(`${where} ${header.fault ?? 'is no CSV'}`)
  const twice = names.find((name, i) => isField(name) && names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`${where} has the column ${twice} twice`)
  const required: Field[] = ['transaction_id', 'timestamp', 'is_fraud']
  if (defaults.origin === undefined) required.push('origin')
  const missing = required.filter((name) => !names.includes(name))
  if (missing.length > 0)
    throw new Error(`${where} lacks the columns ${missing.join(', ')}; columns: ${FIELDS.join(', ')}`)
  const ignored = names.filter((name) => !isField(name))
  if (ignored.length > 0) warn(`columns ignored: ${ignored.map(shown).join(', ')}`)
  return (text) => {
    const cells = cellsOf(text)
    if (cells === undefined) return { reason: 'is no CSV: its quotes do not match' }
    if (cells.length !== names.length)
      return { reason: `has ${cells.length} columns; the header has ${names.length}` }
    return Object.fromEntries(names.map((name, i) => [name, cells[i]]))
  }
}

const isField = (name: string): name is Field => (FIELDS as readonly string[]).includes(name)

function cellsOf(text: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',')
  try {
    return (parse(text, { relax_column_count: true }) as unknown as string[][])[0]
  } catch {
    return undefined
  }
}

function readJson(text: string): Texts | { reason: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { reason: 'is not JSON' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { reason: 'is not a JSON object' }
  const texts: Texts = {}
  for (const field of FIELDS) {
    const given = (value as Record<string, unknown>)[field]
    if (given === undefined || given === null) continue
    const fits =
      typeof given === 'string'
        ? given.isWellFormed()
        : typeof given === 'boolean'
          ? field === 'is_fraud'
          : typeof given === 'number' && field !== 'transaction_id' && field !== 'origin'
    if (!fits) return { reason: `${field} ${shown(JSON.stringify(given))} is no value for this field` }
    texts[field] = typeof given === 'boolean' ? String(given) : (given as string | number)
  }
  return texts
}
