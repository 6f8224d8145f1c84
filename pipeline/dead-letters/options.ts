import { InvalidArgumentError, Option } from 'commander'
import { REJECT_CODES } from '../errors.ts'
import { parseTimestamp } from '../produce/parse-timestamp.ts'
import type { Filter } from './entries.ts'
import { isOrigin } from './letter.ts'

/** The filters as given. */
export interface FilterOptions {
  code?: string[]
  since?: number
  until?: number
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

export const filterOptions = (): Option[] => [
  new Option('--code <code>', 'only with this as the newest code; several by repeating it').argParser(code),
  new Option('--since <time>', 'only rejected at this time or later: ISO 8601, or 90m, 2h, 7d ago').argParser(
    time,
  ),
  new Option('--until <time>', 'only rejected before this time').argParser(time),
]

export const filterOf = ({ code = [], since, until }: FilterOptions): Filter => ({
  codes: code,
  since,
  until,
})

function code(text: string, earlier: string[] = []): string[] {
  const name = text.toUpperCase()
  if (Object.hasOwn(REJECT_CODES, name)) return [...earlier, name]
  throw new InvalidArgumentError(`Expected one of ${Object.keys(REJECT_CODES).join(', ')}.`)
}

/** Milliseconds since 1970 UTC, from a time in ISO 8601 or a duration before now. */
export function time(text: string): number {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  if (ago !== null) return Date.now() - Number(ago[1]) * UNITS[ago[2] as keyof typeof UNITS]
  const at = parseTimestamp(text)
  if (at !== undefined) return at
  throw new InvalidArgumentError(
    'Expected a time such as 2026-11-24T05:00:00Z, or 90m, 2h, 7d for so long ago.',
  )
}

export function positiveInteger(text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new InvalidArgumentError('Expected an integer of 1 or more.')
}

/** One origin, or the next of several. */
export function origin(text: string): string {
  if (isOrigin(text)) return text
  throw new InvalidArgumentError(
    'Expected topic/partition/offset, such as transactions/3/1207; `list` prints them.',
  )
}

export const origins = (text: string, earlier: string[] = []): string[] => [...earlier, origin(text)]
