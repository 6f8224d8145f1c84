import type { Fault } from './line-form.ts'
import { parseTimestamp } from './parse-timestamp.ts'

/** A time in milliseconds since 1970, of a text or of such a number; or why it is none. */
export function parseTime(field: string, value: string | number | undefined): number | Fault {
  if (typeof value === 'number') return value
  if (value === undefined || value === '') return { reason: `${field} is missing` }
  const time = parseTimestamp(value.trim())
  if (time !== undefined) return time
  return {
    reason: `${field} ${shown(value)} is not a time such as 2026-01-31T12:00:00Z or 2026-01-31 12:00:00`,
  }
}

const VERDICTS: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['1', true],
  ['false', false],
  ['true', true],
])

/** What is said about a transaction; undefined for a text that says neither. */
export const parseVerdict = (text: string): boolean | undefined => VERDICTS.get(text.trim().toLowerCase())

/** Characters of a value that a message shows. */
const SHOWN = 40

/** A value for a message: quoted, control characters escaped, not too long. */
export function shown(value: unknown): string {
  const text = String(value)
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}
