import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Problem } from './problems.ts'

/**
 * Cursors of lists: base64url of `[version, digest of the list and its filter, where the page ended]`. They hold nothing
 * that the page did not show; the digest tells one that is sent with another filter. Whoever makes one up gets a page
 * that begins elsewhere, and nothing else: its values are checked, and only compared with.
 */

const VERSION = 1

/** With microseconds: rows written by others may have them. */
export const exactTime = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/)
  .refine((v) => isDay(v.slice(0, 10)))

/** JavaScript takes the 31st of February for one in March; PostgreSQL knows neither it nor the year 0. */
function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day) && date.getUTCFullYear() > 0
}

export const placeId = z.string().refine((v) => !v.includes('\0'))

/**
 * @param list what is listed, with everything that its order and content depend on
 * @param place the keys of the page's last item
 */
export function encodeCursor(list: unknown, place: unknown): string {
  return Buffer.from(JSON.stringify([VERSION, digest(list), place])).toString('base64url')
}

/** @throws Problem 422 when it is no cursor, or one of another list, filter or order */
export function decodeCursor<T>(list: unknown, cursor: string, form: z.ZodType<T>): T {
  const parsed = z.tuple([z.literal(VERSION), z.literal(digest(list)), form]).safeParse(contentOf(cursor))
  if (parsed.success) return parsed.data[2] as T
  const detail = 'is no cursor of this list with this filter and order'
  throw new Problem(422, `cursor: ${detail}`, { errors: [{ parameter: 'cursor', detail }] })
}

function contentOf(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    return undefined
  }
}

const digest = (list: unknown): string =>
  createHash('sha256').update(JSON.stringify(list)).digest('base64url').slice(0, 12)
