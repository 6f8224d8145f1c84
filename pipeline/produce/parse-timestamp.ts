import { MINUTE } from '../../schemas/time.ts'

/** The farthest time that a Date can hold, in milliseconds before or after 1970. */
const MAX_TIME = 8.64e15

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?)?$/

/**
 * Reads ISO 8601, or the same with a space for the T. Without an offset it is UTC; a date alone is its midnight;
 * what is finer than a millisecond is cut off.
 * @returns milliseconds since 1970 UTC, or undefined for what is no such text or no such time (February 30)
 */
export function parseTimestamp(text: string): number | undefined {
  const match = ISO.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0))
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  // Not Date.UTC: it takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day)
  // Dates that do not exist roll over into the next month.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  const millis = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'))
  const offset = parseOffset(match[9], match[10], match[11])
  if (offset === undefined) return undefined
  return date.setUTCHours(hour, minute, second, millis) - offset * MINUTE
}

/** An offset in minutes east of UTC; 0 if there is none, undefined if there is no such offset. */
function parseOffset(
  sign: string | undefined,
  hours: string,
  minutes: string | undefined,
): number | undefined {
  if (sign === undefined) return 0
  if (Number(hours) > 23 || Number(minutes ?? 0) > 59) return undefined
  const size = Number(hours) * 60 + Number(minutes ?? 0)
  return sign === '-' ? -size : size
}

/**
 * Reads milliseconds since 1970 from a JSON number's text.
 * @returns undefined beyond the times that a Date can hold
 */
export function parseEpochMillis(text: string): number | undefined {
  const millis = Math.floor(Number(text))
  return Math.abs(millis) <= MAX_TIME ? millis : undefined
}
