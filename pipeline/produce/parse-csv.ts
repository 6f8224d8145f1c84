import { type Options, parse } from 'csv-parse/sync'
import type { BadLine } from './batch.ts'
import { readHeader } from './csv-header.ts'
import { add, type LineForm, type Parsed, type Texts } from './line-form.ts'
import { type Line, MAX_LINE_BYTES, readLines } from './lines.ts'

const options: Options = { record_delimiter: '\n', relax_column_count: true }

/**
 * Reads CSV (RFC 4180, commas, UTF-8) whose first line names the columns by their fields, in any order. A line that
 * makes no item is bad; the lines after it are read all the same.
 * @param warn told once about columns that are ignored
 * @throws when the header cannot be used
 */
export async function* parseCsv<T extends object>(
  bytes: AsyncIterable<Buffer>,
  form: LineForm<T>,
  warn: (message: string) => void,
): AsyncGenerator<Parsed<T>> {
  let columns: (string | undefined)[] | undefined
  let pending: Line[] = []
  for await (const lines of readLines(bytes)) {
    pending.push(...lines)
    if (columns === undefined) {
      const at = pending.findIndex((line) => line.text !== '' || line.fault !== undefined)
      if (at < 0) continue
      columns = readHeader(pending[at], form, warn)
      pending = pending.slice(at + 1)
    }
    const { parsed, rest } = parseLines(pending, columns, form, false)
    pending = rest
    yield parsed
  }
  if (columns === undefined) throw new Error('the file is empty; its first line must name the columns')
  yield parseLines(pending, columns, form, true).parsed
}

/** A record's cells and the line that it begins on, or a line that is none. */
type CsvRecord = { line: number; cells: string[] } | BadLine

/** The items of the lines, and the lines of a last record that may go on in the next chunk. */
function parseLines<T extends object>(
  lines: Line[],
  columns: (string | undefined)[],
  form: LineForm<T>,
  ended: boolean,
): { parsed: Parsed<T>; rest: Line[] } {
  const parsed: Parsed<T> = { items: [], bad: [] }
  const { records, rest } = readRecords(lines, columns.length, ended)
  for (const record of records)
    add(parsed, record.line, 'reason' in record ? record : form.parse(textsOf(record.cells, columns)))
  return { parsed, rest }
}

function textsOf(cells: string[], columns: (string | undefined)[]): Texts {
  const texts: Texts = {}
  for (let i = 0; i < columns.length; i++) {
    const field = columns[i]
    if (field !== undefined) texts[field] = cells[i]
  }
  return texts
}

/**
 * The records of the lines. A line with an even number of quotes is a record by itself, or broken; one with an odd
 * number opens a value that goes on in the next lines, or holds a stray quote. Runs of even lines are parsed at once.
 */
function readRecords(lines: Line[], width: number, ended: boolean): { records: CsvRecord[]; rest: Line[] } {
  const records: CsvRecord[] = []
  let at = 0
  while (at < lines.length) {
    const from = at
    while (at < lines.length && !hasOddQuotes(lines[at].text)) at++
    // Without the empty lines: those are no records.
    const run = lines.slice(from, at).filter((line) => line.text !== '' || line.fault !== undefined)
    readRun(run, width, records)
    if (at === lines.length) break
    const next = readOverLines(lines, at, width, ended, records)
    if (next === undefined) return { records, rest: lines.slice(at) }
    at = next
  }
  return { records, rest: [] }
}

/** Parses lines that each hold one record: all at once, and where that fails by halves, to find the bad ones. */
function readRun(lines: Line[], width: number, into: CsvRecord[]): void {
  if (lines.length === 0) return
  const rows = lines.some((line) => line.fault)
    ? undefined
    : tryParse(lines.map((line) => line.text).join('\n'))
  if (Array.isArray(rows) && rows.length === lines.length) {
    for (const [i, line] of lines.entries()) into.push(checkWidth(line.number, rows[i], width))
  } else if (lines.length === 1) {
    into.push({ line: lines[0].number, reason: lines[0].fault ?? quoteFault(rows) })
  } else {
    const middle = lines.length >> 1
    readRun(lines.slice(0, middle), width, into)
    readRun(lines.slice(middle), width, into)
  }
}

/**
 * Reads a record whose value goes on over lines, from the line `at` with an odd number of quotes to the next such.
 * If that makes no whole record, the quote was a stray one: only its own line is bad, and reading goes on with the
 * next. So it is, too, where a line on the way is a whole record by itself: a stray quote must not swallow lines.
 * @returns the line to go on with, undefined when the record may end in lines that are still to come
 */
function readOverLines(
  lines: Line[],
  at: number,
  width: number,
  ended: boolean,
  into: CsvRecord[],
): number | undefined {
  const bad = (reason: string): number => {
    into.push({ line: lines[at].number, reason })
    return at + 1
  }
  let text = lines[at].text
  if (!Array.isArray(tryParse(`${text}"`))) return bad(quoteFault(tryParse(text)))
  for (let end = at + 1; end < lines.length; end++) {
    const line = lines[end]
    if (line.fault || isWhole(line.text, width)) return bad('a quote opens a value that does not close')
    text += lines[end - 1].end + line.text
    if (text.length > MAX_LINE_BYTES) return bad(`a quoted value is longer than ${MAX_LINE_BYTES} bytes`)
    if (!hasOddQuotes(line.text)) continue
    const rows = tryParse(text)
    if (!Array.isArray(rows)) return bad(quoteFault(rows))
    if (rows[0].length !== width) return bad(widthFault(rows[0].length, width))
    into.push({ line: lines[at].number, cells: rows[0] })
    return end + 1
  }
  return ended ? bad('a quote opens a value that does not close') : undefined
}

function hasOddQuotes(text: string): boolean {
  let odd = false
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) odd = !odd
  return odd
}

/** The rows of the text, or csv-parse's code for its first fault. */
function tryParse(text: string, more?: Options): string[][] | string {
  try {
    return parse(text, { ...options, ...more }) as unknown as string[][]
  } catch (error) {
    return (error as { code?: string }).code ?? 'CSV'
  }
}

/** Whether the line, a quote inside a value taken as it stands, has every column. */
function isWhole(text: string, width: number): boolean {
  if (text.split(',').length < width) return false
  const rows = tryParse(text, { relax_quotes: true })
  return Array.isArray(rows) && rows[0]?.length === width
}

const checkWidth = (line: number, cells: string[], width: number): CsvRecord =>
  cells.length === width ? { line, cells } : { line, reason: widthFault(cells.length, width) }

const widthFault = (got: number, width: number): string => `has ${got} columns; the header has ${width}`

function quoteFault(result: string[][] | string | undefined): string {
  if (result === 'INVALID_OPENING_QUOTE') return 'has a quote inside a value that is not quoted'
  if (result === 'CSV_INVALID_CLOSING_QUOTE') return 'has text behind a closing quote'
  return 'a quote opens a value that does not close'
}
