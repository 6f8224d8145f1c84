import type pg from 'pg'
import type { Entry } from './entries.ts'
import { splitOrigin } from './letter.ts'

export interface Replays {
  replays: number
  replayed_at: Date
}

/** Only one process replays at a time: two would send the same records. */
const LOCK = `SELECT pg_try_advisory_lock(hashtext('weir.dead-letters.replay')) AS mine`

const READ = `
  SELECT topic || '/' || partition || '/' || "offset" || ' ' || digest AS id, replays, replayed_at
  FROM dead_letter_replays`

const RECORD = `
  INSERT INTO dead_letter_replays AS known (topic, partition, "offset", digest, replays)
  SELECT topic, partition, "offset", digest, 1
  FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::text[]) AS sent (topic, partition, "offset", digest)
  ON CONFLICT (topic, partition, "offset", digest)
  DO UPDATE SET replays = known.replays + 1, replayed_at = now()`

/**
 * Until the connection ends, nobody else replays.
 * @throws if somebody does now
 */
export async function lockReplays(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ mine: boolean }>(LOCK)
  if (!rows[0].mine) throw new Error('another replay is under way on this database: wait until it has ended')
}

/**
 * What was replayed, by the entries' ids.
 * @throws if the database has no such table
 */
export async function readReplays(client: pg.Client): Promise<Map<string, Replays>> {
  try {
    const { rows } = await client.query<Replays & { id: string }>(READ)
    return new Map(rows.map(({ id, ...replays }) => [id, replays]))
  } catch (cause) {
    const error = cause as pg.DatabaseError
    if (error.code !== '42P01') throw error
    throw new Error('the database has no table dead_letter_replays: `npm run migrate` makes it', { cause })
  }
}

/** Notes that these were sent once more. */
export async function recordReplays(client: pg.Client, entries: Entry[]): Promise<void> {
  const origins = entries.map((entry) => splitOrigin(entry.origin))
  await client.query(RECORD, [
    origins.map((origin) => origin.topic),
    origins.map((origin) => origin.partition),
    origins.map((origin) => origin.offset),
    entries.map((entry) => entry.first.digest),
  ])
}
