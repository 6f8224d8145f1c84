import type pg from 'pg'
import { firstReference, MEMORY_DAYS, nextReference } from '../features/reference-builder.ts'
import { decodeReference, encodeReference } from '../features/reference-codec.ts'
import type { ReferenceDay } from '../features/reference-day.ts'
import { hasTransactions, knownBefore, newestLabel, readDayEvents, readLateEvents } from './label-queries.ts'

/** The tables `reference_days` and `reference_day_pieces`. */

const DAY = 86_400_000

const dateOf = (day: number): string => new Date(day * DAY).toISOString().slice(0, 10)

/** @returns null when it was not built yet; without its counts, since it only answers */
export async function readReference(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
): Promise<ReferenceDay | null> {
  return read(client, day, delayDays, false)
}

/**
 * The reference of the day. Where there is none yet it is built, of the transactions that are stored and the labels that
 * are known now, and kept for good: by one, while others wait, and take his.
 * @param beforeBuilding awaited first where there is none
 */
export async function ensureReference(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  beforeBuilding: () => Promise<void> = async () => {},
): Promise<ReferenceDay> {
  const stored = await readReference(client, day, delayDays)
  if (stored !== null) return stored
  await beforeBuilding()
  const seen = await newestLabel(client)
  await client.query('BEGIN')
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.reference_days'))`)
    let reference = await readReference(client, day, delayDays)
    if (reference === null) {
      reference = await build(client, day, delayDays, seen)
      await write(client, reference, seen)
    }
    await client.query('COMMIT')
    return reference
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** From the newest one of the days before, else from the transactions of as many days as one remembers. */
async function build(
  client: pg.ClientBase,
  day: number,
  delayDays: number,
  seen: number,
): Promise<ReferenceDay> {
  const labels = knownBefore(day, seen)
  const last = day - delayDays
  const earlier = await newestBefore(client, day, delayDays)
  const from = earlier?.reference.dueDay ?? last - MEMORY_DAYS
  let reference = earlier?.reference ?? null
  const isEmpty = !(await hasTransactions(client, from + 1, last))
  for (let due = from + 1; due <= last; due++) {
    // Nothing is known before the first transaction: only the last day makes a reference, an empty one.
    if (reference === null && isEmpty && due < last) continue
    const events = await readDayEvents(client, due, labels)
    if (reference === null) reference = firstReference(events, delayDays)
    else if (due < last || earlier === null) reference = nextReference(reference, events)
    else {
      const late = await readLateEvents(client, {
        lastTaken: from,
        before: knownBefore(earlier.reference.day, earlier.seen),
        now: labels,
        at: last - 1,
        delayDays,
      })
      reference = nextReference(reference, events, late)
    }
  }
  return reference!
}

interface Earlier {
  reference: ReferenceDay
  seen: number
}

async function newestBefore(client: pg.ClientBase, day: number, delayDays: number): Promise<Earlier | null> {
  const { rows } = await client.query<{ day: number; labels_seen: number }>(
    `SELECT day - date '1970-01-01' AS day, labels_seen FROM reference_days
     WHERE day < $1 AND day >= $2 AND delay_days = $3 ORDER BY day DESC LIMIT 1`,
    [dateOf(day), dateOf(day - MEMORY_DAYS), delayDays],
  )
  if (rows.length === 0) return null
  const reference = await read(client, rows[0].day, delayDays, true)
  return { reference: reference!, seen: rows[0].labels_seen }
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
