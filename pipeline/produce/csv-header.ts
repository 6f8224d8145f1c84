import { parse } from 'csv-parse/sync'
import type { Line } from './lines.ts'
import { FIELDS, type Field, REQUIRED } from './parse-fields.ts'

const known: ReadonlySet<string> = new Set(FIELDS)

/**
 * The fields of a CSV's columns, undefined for those that are ignored.
 * @param warn told about the columns that are ignored
 * @throws when a required column is missing, one is there twice, or the line is no CSV
 */
export function readHeader(line: Line, warn: (message: string) => void): (Field | undefined)[] {
  const names = parseNames(line).map((name) => name.trim())
  const fields = names.map((name) => (known.has(name) ? (name as Field) : undefined))
  const twice = names.filter((name, i) => known.has(name) && names.indexOf(name) !== i)
  if (twice.length > 0) throw new Error(`${where(line)} has the column ${twice[0]} twice`)
  const missing = REQUIRED.filter((field) => !fields.includes(field))
  if (missing.length > 0) {
    const hint = names.length === 1 ? '; are commas between its columns?' : ''
    throw new Error(
      `${where(line)} lacks the columns ${missing.join(', ')}; columns: ${FIELDS.join(', ')}${hint}`,
    )
  }
  const ignored = names.filter((name) => !known.has(name))
  if (ignored.length > 0) warn(`columns ignored: ${ignored.map((name) => name || '(no name)').join(', ')}`)
  return fields
}

const where = (line: Line): string => `the header (line ${line.number})`

function parseNames(line: Line): string[] {
  if (line.fault) throw new Error(`${where(line)} ${line.fault}`)
  try {
    return (parse(line.text) as unknown as string[][])[0]
  } catch (cause) {
    throw new Error(`${where(line)} is no CSV: ${(cause as Error).message}`, { cause })
  }
}
