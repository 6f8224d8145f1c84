import type pg from 'pg'
import { DAY } from '../../schemas/time.ts'
import { DayEvents, labelKind } from '../features/label-events.ts'

/** What the tables `transactions` and `labels` tell of an event day. Days are counted since 1970, in UTC. */

/** Few enough for the sockets' buffers: the server never waits for a process that is stopped with a lock in its hands. */
const ROWS = 5000

const startOf = (day: number): string => new Date(day * DAY).toISOString()

/** Which labels count: all of them that became known before `until`, up to an id. */
export interface LabelsKnown {
  /** ISO 8601. */
  until: string
  seen: number
}

/** Labels known before the day begins. @param seen the newest label's id that is looked at */
export const knownBefore = (day: number, seen: number): LabelsKnown => ({ until: startOf(day), seen })

/** The newest label's id: all up to it are committed, or will never be there. */
export async function newestLabel(client: pg.ClientBase): Promise<number> {
  // An id is given before its commit. Who inserts holds the lock with others, until he has committed; here it is taken
  // alone, for a moment only: analysts wait meanwhile.
  await client.query('BEGIN')
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.labels'))`)
    const { rows } = await client.query<{ id: number }>('SELECT coalesce(max(id), 0) AS id FROM labels')
    return rows[0].id
  } finally {
    await client.query('COMMIT')
  }
}

/** Merchant, event time in milliseconds, whether it is a fraud, amount_ratio. */
type EventRow = [string, number, boolean, number | null]

/**
 * The label events of an event day. A transaction's last label is what counts, else what its source knew; without
 * either it is genuine. Within a transaction of the client.
 */
export async function readDayEvents(
  client: pg.ClientBase,
  day: number,
  { until, seen }: LabelsKnown,
): Promise<DayEvents> {
  const events = new DayEvents(day)
  const text = `DECLARE events NO SCROLL CURSOR FOR
    SELECT t.merchant_id, (extract(epoch FROM t.timestamp) * 1000)::bigint,
           coalesce(l.is_fraud, t.is_fraud, false), t.amount_ratio
    FROM transactions t
    LEFT JOIN (
      SELECT DISTINCT ON (transaction_id, timestamp) transaction_id, timestamp, is_fraud FROM labels
      WHERE timestamp >= '${startOf(day)}' AND timestamp < '${startOf(day + 1)}'
        AND known_at < '${until}' AND id <= ${Math.trunc(seen)}
      ORDER BY transaction_id, timestamp, known_at DESC, id DESC
    ) l USING (transaction_id, timestamp)
    WHERE t.timestamp >= '${startOf(day)}' AND t.timestamp < '${startOf(day + 1)}' AND t.merchant_id <> ''`
  await client.query(text)
  for (;;) {
    const { rows } = await client.query<EventRow>({ text: `FETCH ${ROWS} FROM events`, rowMode: 'array' })
    if (rows.length === 0) break
    for (const [merchant, time, isFraud, ratio] of rows)
      events.add(merchant, time, labelKind(isFraud, ratio ?? Number.NaN))
  }
  await client.query('CLOSE events')
  return events
}

/**
 * Frauds that were taken as genuine: their event day is up to and including `at`, by the labels of `before` they were
 * none, by those of `now` they are. Each as an event of the day `at`: at the time when that became known, less the delay,
 * moved into that day.
 */
export async function readLateEvents(
  client: pg.ClientBase,
  { before, now, at, delayDays }: LateQuestion,
): Promise<DayEvents> {
  const last = (param: number) => `(
    SELECT is_fraud FROM labels l
    WHERE (l.transaction_id, l.timestamp) = (t.transaction_id, t.timestamp)
      AND l.known_at < $${param} AND l.id <= $${param + 1}
    ORDER BY l.known_at DESC, l.id DESC LIMIT 1)`
  const { rows } = await client.query<EventRow>({
    text: `
      SELECT t.merchant_id, (extract(epoch FROM fresh.known_at) * 1000)::bigint, true, t.amount_ratio
      FROM (
        SELECT transaction_id, timestamp, max(known_at) AS known_at FROM labels
        WHERE (id > $2 OR known_at >= $1) AND known_at < $3 AND id <= $4 AND is_fraud AND timestamp < $5
        GROUP BY transaction_id, timestamp
      ) fresh JOIN transactions t USING (transaction_id, timestamp)
      WHERE t.merchant_id <> '' AND NOT coalesce(${last(1)}, t.is_fraud, false) AND ${last(3)}`,
    values: [before.until, before.seen, now.until, now.seen, startOf(at + 1)],
    rowMode: 'array',
  })
  const events = new DayEvents(at)
  for (const [merchant, knownAt, isFraud, ratio] of rows) {
    const time = Math.min(Math.max(knownAt - delayDays * DAY, at * DAY), (at + 1) * DAY - 1)
    events.add(merchant, time, labelKind(isFraud, ratio ?? Number.NaN))
  }
  return events
}

export interface LateQuestion {
  before: LabelsKnown
  now: LabelsKnown
  at: number
  delayDays: number
}
