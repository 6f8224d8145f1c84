import { parse } from 'csv-parse/sync'
import type { LineForm } from './line-form.ts'
import type { Line } from './lines.ts'

type Columns = Pick<LineForm<unknown>, 'fields' | 'required' | 'remedy'>

/**
 * The fields of a CSV's columns, undefined for those that are ignored.
 * @param warn told about the columns that are ignored
 * @throws when a required column is missing, one is there twice, or the line is no CSV
 */
export function readHeader(
  line: Line,
  { fields: known, required, remedy }: Columns,
  warn: (message: string) => void,
): (string | undefined)[] {
  const names = parseNames(line).map((name) => name.trim())
  const fields = names.map((name) => (known.includes(name) ? name : undefined))
  const twice = names.filter((name, i) => known.includes(name) && names.indexOf(name) !== i)
  if (twice.length > 0) throw new Error(`${where(line)} has the column ${twice[0]} twice`)
  const missing = required.filter((field) => !fields.includes(field))
  if (missing.length > 0) {
    const hint = names.length === 1 ? 'are commas between its columns?' : remedy
    const fault = `${where(line)} lacks the columns ${missing.join(', ')}; columns: ${known.join(', ')}`
    throw new Error(hint === undefined ? fault : `${fault}; ${hint}`)
  }
  const ignored = names.filter((name) => !known.includes(name))
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
