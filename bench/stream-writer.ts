import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { dueBy } from './open-loop.ts'

export const PARTITIONS = 3

const TIME = '2026-01-01T00:00:00Z'
/** What a row is in the stream without its padding. */
const BARE_BYTES = 700
const TICK_MS = 50

/** The month, and the positions at 0. */
export async function layOut(client: pg.Client): Promise<void> {
  await client.query('SELECT ensure_transactions_partition($1)', [TIME])
  await client.query(
    `INSERT INTO positions (topic, partition, next_offset)
     SELECT 'transactions', p, 0 FROM generate_series(0, $1 - 1) AS p`,
    [PARTITIONS],
  )
}

export interface Writing {
  events: number
  /** A second. */
  rate: number
  eventBytes: number
  signal: AbortSignal
}

/** Commits anomalies at a steady rate as the pipeline does, with their positions; each row tells when it was written. */
export async function writeAnomalies(client: pg.Client, writing: Writing): Promise<void> {
  const { events, rate, signal } = writing
  const began = performance.now()
  for (let written = 0; written < events; ) {
    const due = dueBy(performance.now() - began, { records: events, rate })
    if (due > written) await commit(client, written, due, writing.eventBytes)
    written = due
    if (written < events) await sleep(TICK_MS, undefined, { signal })
  }
}

/** Events from one number to before another: number n is of partition n % 3 and has the offset n / 3. */
async function commit(client: pg.Client, from: number, to: number, eventBytes: number): Promise<void> {
  await client.query('BEGIN')
  await client.query(
    `INSERT INTO transactions
     SELECT 'T-' || n, 'ACC-' || n, $3, 12.34, 'EUR', 'M-1', 'Grocery', 'Paris, FR', 'ATM', NULL, 0.8, true, 'HIGH_AMOUNT',
            jsonb_build_array(jsonb_build_object('code', 'HIGH_AMOUNT', 'message', repeat('x', $4::int))),
            jsonb_build_object('written_at', $5::float8), 'NEW', 'rules-1', 'model-1', n % $6, n / $6
     FROM generate_series($1::int, $2::int - 1) AS n`,
    [from, to, TIME, Math.max(0, eventBytes - BARE_BYTES), Date.now(), PARTITIONS],
  )
  await client.query('CALL move_positions($1, $2)', ['transactions', JSON.stringify(movesOf(from, to))])
  await client.query('COMMIT')
}

/** Events of a partition among the first n. */
const eventsOf = (partition: number, n: number): number =>
  Math.floor((n + PARTITIONS - 1 - partition) / PARTITIONS)

function movesOf(from: number, to: number): object[] {
  return Array.from({ length: PARTITIONS }, (_, partition) => {
    const [expected, next_offset] = [eventsOf(partition, from), eventsOf(partition, to)]
    const stored = next_offset - expected
    return { partition, expected, next_offset, stored, anomalies: stored, duplicates: 0, dead_letters: 0 }
  })
}
