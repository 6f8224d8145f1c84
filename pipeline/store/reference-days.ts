import type pg from 'pg'
import { DAY } from '../../schemas/time.ts'
import { emptyReference, MEMORY_DAYS, nextReferenceInSteps } from '../features/reference-builder.ts'
import { decodeReference, encodeReference } from '../features/reference-codec.ts'
import { BUILD_FROM_HOUR, type ReferenceDay } from '../features/reference-day.ts'
import { knownBefore, newestLabel, readDayEvents, readLateEvents } from './label-queries.ts'

/** The tables `reference_days` and `reference_day_pieces`. */

export const dateOf = (day: number): string => new Date(day * DAY).toISOString().slice(0, 10)

/** @returns null when it was not built yet; without its counts, since it only answers */
export async function readReference(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
): Promise<ReferenceDay | null> {
  return read(client, day, delayDays, false)
}

export interface BuildHooks {
  /** Awaited first where there is no reference yet. */
  beforeBuilding?: () => Promise<void>
  onBuilt?: (reference: ReferenceDay) => void
}

/**
 * The reference of the day, without its counts. Where there is none yet it is built, and before it those that are missing
 * between it and the newest one before: each of the transactions that are stored and the labels that are known now, each
 * committed by itself and kept for good; by one, while others wait, and take his.
 * @returns null for a day that is too far ahead: what it would be made of has not all come yet
 * @throws the server's error, or the connection's; the connection is of no use then
 */
export async function ensureReference(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  { beforeBuilding, onBuilt }: BuildHooks = {},
): Promise<ReferenceDay | null> {
  const stored = await readReference(client, day, delayDays)
  if (stored !== null || (await isAhead(client, day, delayDays))) return stored
  await beforeBuilding?.()
  for (;;) {
    const seen = await newestLabel(client)
    const built = await alone(client, () => buildNext(client, day, delayDays, seen))
    if (built !== null) onBuilt?.(built)
    if (built?.day === day) return built.withoutCounts()
    if (built !== null) continue
    const reference = await readReference(client, day, delayDays)
    if (reference !== null) return reference
  }
}

/**
 * An event may claim a time to come, and what is built is kept for good: so tomorrow's is not before this evening, no
 * later one is, nor one of which the transactions that become known on it are still coming. The server's clock says, which
 * all processes share.
 */
async function isAhead(client: pg.ClientBase, day: number, delayDays: number): Promise<boolean> {
  const { rows } = await client.query<{ today: number; hour: number }>(
    `SELECT at::date - date '1970-01-01' AS today, extract(hour FROM at)::int AS hour FROM (SELECT now() AT TIME ZONE 'UTC') n(at)`,
  )
  const [{ today, hour }] = rows
  return day > (hour >= BUILD_FROM_HOUR ? today + 1 : today) || day - delayDays >= today
}

/**
 * A day of many transactions takes its time, and whoever waits for it can do nothing else. After so long a builder whose
 * process is stopped is ended; one that is at work has said so meanwhile, and is waited for again.
 */
const LOCK_TIMEOUT_MS = 15_000

/** In a transaction that is the only one to build. */
async function alone<T>(client: pg.ClientBase, use: () => Promise<T>): Promise<T> {
  await client.query('BEGIN')
  try {
    await client.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.reference_days'))`)
    const result = await use()
    await client.query('COMMIT')
    return result
  } catch (error) {
    // Not waited for: where nothing comes back, the connection's end does the same.
    client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/**
 * Builds one reference and stores it: of the day after the newest one before the day, else of the first day on which
 * something becomes known.
 * @param newest the newest label's id
 * @returns null when the day's is there
 */
async function buildNext(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  newest: number,
): Promise<ReferenceDay | null> {
  const { rows } = await client.query<{ day: number; labels_seen: number }>(
    `SELECT day - date '1970-01-01' AS day, labels_seen FROM reference_days
     WHERE day <= $1 AND day >= $2 AND delay_days = $3 ORDER BY day DESC LIMIT 1`,
    [dateOf(day), dateOf(day - MEMORY_DAYS), delayDays],
  )
  const earlier = rows.at(0)
  if (earlier?.day === day) return null
  // Who built that one may have looked later than we did.
  const seen = Math.max(newest, earlier?.labels_seen ?? 0)
  const reference =
    earlier === undefined
      ? await buildFirst(client, day, delayDays, seen)
      : await buildAfter(client, await readWhole(client, earlier.day, delayDays), earlier.labels_seen, seen)
  await write(client, reference, seen)
  return reference
}

/** Nothing is known before the first transaction: those days need no reference. */
async function buildFirst(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  seen: number,
): Promise<ReferenceDay> {
  for (let first = day - MEMORY_DAYS + 1; ; first++) {
    const due = await readDayEvents(client, first - delayDays, knownBefore(first, seen))
    if (!due.isEmpty || first === day) return inSteps(client, emptyReference(first - 1, delayDays), due)
  }
}

/** @param seenBefore the newest label's id that the reference looked at */
async function buildAfter(
  client: pg.ClientBase,
  reference: ReferenceDay,
  seenBefore: number,
  seen: number,
): Promise<ReferenceDay> {
  const { day, dueDay } = reference
  const now = knownBefore(day + 1, seen)
  const due = await readDayEvents(client, dueDay + 1, now)
  const before = knownBefore(day, seenBefore)
  const late = await readLateEvents(client, { before, now, at: dueDay, delayDays: day - dueDay })
  return inSteps(client, reference, due, late)
}

/** Between the steps the process does what else it must, and the server hears that it is not stopped: see endStopped. */
async function inSteps(
  client: pg.ClientBase,
  ...of: Parameters<typeof nextReferenceInSteps>
): Promise<ReferenceDay> {
  const steps = nextReferenceInSteps(...of)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await client.query('SELECT 1')
  }
}

/** One to build the next from. */
async function readWhole(client: pg.ClientBase, day: number, delayDays: number): Promise<ReferenceDay> {
  const reference = await read(client, day, delayDays, true)
  if (reference === null) throw new Error(`the reference of ${dateOf(day)} was deleted while it was needed`)
  return reference
}

async function read(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  withCounts: boolean,
): Promise<ReferenceDay | null> {
  const { rows } = await client.query<{ data: string }>(
    // pg has no binary results, and its text form of bytea is hexadecimal: base64 is shorter, and quick to decode.
    `SELECT encode(data, 'base64') AS data FROM reference_day_pieces
     WHERE day = $1 AND delay_days = $2 ORDER BY piece`,
    [dateOf(day), delayDays],
  )
  if (rows.length === 0) return null
  return decodeReference(Buffer.concat(rows.map((row) => Buffer.from(row.data, 'base64'))), { withCounts })
}

async function write(client: pg.ClientBase, reference: ReferenceDay, seen: number): Promise<void> {
  const { day, delayDays, merchants, events } = reference.parts
  const pieces = [...encodeReference(reference)]
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
  await client.query(
    `INSERT INTO reference_days (day, delay_days, merchants, events, labels_seen, bytes)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [dateOf(day), delayDays, merchants.length, events.length, seen, bytes],
  )
  for (const [piece, data] of pieces.entries()) {
    await client.query(
      'INSERT INTO reference_day_pieces (day, delay_days, piece, data) VALUES ($1, $2, $3, $4)',
      [dateOf(day), delayDays, piece, data],
    )
  }
}
