import type { BadLine } from './batch.ts'

/** What the lines of a file are, CSV or NDJSON: each makes an item of type T. */
export interface LineForm<T> {
  /** What its columns or keys may be called. */
  fields: readonly string[]
  /** Columns that a CSV must have. */
  required: readonly string[]
  /** What else can be done where such a column is missing, for the error. */
  remedy?: string
  /** Fields that JSON may give as a number of milliseconds since 1970. */
  times: readonly string[]
  /** Fields that JSON may give as true or false. */
  flags: readonly string[]
  /** An item of the texts, or the first reason why they make none. */
  parse: (texts: Texts) => T | Fault
}

/** A line as a file writes it, by field: texts, and milliseconds where a time was a number. */
export type Texts = Partial<Record<string, string | number>>

export interface Fault {
  reason: string
}

/** What some lines have made. */
export interface Parsed<T> {
  items: T[]
  bad: BadLine[]
}

/** Adds what a line has made. */
export function add<T extends object>(parsed: Parsed<T>, line: number, result: T | Fault): void {
  if ('reason' in result) parsed.bad.push({ line, reason: result.reason })
  else parsed.items.push(result)
}
