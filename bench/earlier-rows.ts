import type pg from 'pg'
import { COLUMNS } from '../pipeline/store/copy-encoder.ts'
import { withClient } from '../schemas/database.ts'
import { DAY } from '../schemas/time.ts'
import { buildIndexesAfter } from './later-indexes.ts'
import { startOf, type Workload } from './workload.ts'

/**
 * Rows that the table holds before the benchmark's records come: these very rows again, as often as it takes, earlier in
 * their month. So all that is stored has the simulator's widths, accounts and anomalies. Their offsets are below 0:
 * recovery passes them over, as it does all that lies before a checkpoint.
 */

/** What the workload's rows are kept in, in the order of their times. */
const PATTERN = 'weir_bench_pattern'
const CONNECTIONS = 3
const TELL_MS = 10_000

const connected = <T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: url, application_name: 'weir-bench-fill' }, use)

/**
 * Turns a database that holds the workload's rows into one that is empty but knows how they look. The references of their
 * days stay: like those of a stream that has been running, they are there when their day begins.
 * @throws when the rows are in more than one month
 */
export const emptyIntoPattern = (url: string): Promise<void> =>
  connected(url, async (client) => {
    const { rows } = await client.query('SELECT DISTINCT tableoid FROM transactions')
    if (rows.length !== 1) throw new Error(`the rows lie in ${rows.length} months, not in one`)
    await client.query(
      `CREATE TABLE ${PATTERN} AS
       SELECT row_number() OVER (ORDER BY timestamp, transaction_id) AS place, * FROM transactions`,
    )
    await client.query('TRUNCATE transactions, positions, skipped, checkpoints CASCADE')
    await client.query('VACUUM ANALYZE')
  })

/** The month's beginning and the workload's, between which earlier rows lie; milliseconds since 1970. */
export interface Room {
  from: number
  to: number
}

/** @throws when the workload leaves its month no day before it */
export function roomBefore(workload: Pick<Workload, 'records' | 'accounts'>): Room {
  const to = startOf(workload)
  const last = new Date(startOf({ records: 1, accounts: 1 }))
  const from = Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), 1)
  if (to - from < DAY) {
    const { records, accounts } = workload
    throw new Error(
      `${records} records of ${accounts} accounts take up the whole month, which must begin with earlier rows: take ` +
        'fewer records, or more accounts',
    )
  }
  return { from, to }
}

export interface Growth {
  workload: Workload
  /** Rows that are there, and that are to be there. */
  from: number
  to: number
  /** Rows at the end of all growing: these fill the room evenly. */
  of: number
  progress: (line: string) => void
  signal: AbortSignal
}

/** Adds earlier rows to a copy of a database of {@link emptyIntoPattern}. */
export async function addEarlierRows(url: string, growth: Growth): Promise<void> {
  const { workload, from, to, progress, signal } = growth
  const room = roomBefore(workload)
  const month = monthTable(room.from)
  await connected(url, (client) =>
    buildIndexesAfter(client, month, { progress, signal }, async () => {
      const began = performance.now()
      let next = Math.floor(from / workload.records)
      let filled = from
      let told = began
      const fill = async (own: pg.Client) => {
        for (let round = next++; round * workload.records < to; round = next++) {
          signal.throwIfAborted()
          const { rowCount } = await own.query(insertRound(month, room, growth, round))
          filled += rowCount!
          if (performance.now() - told < TELL_MS) continue
          told = performance.now()
          progress(`${number(filled)} of ${number(to)} earlier rows ...`)
        }
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, () => connected(url, fill)))
      const seconds = (performance.now() - began) / 1000
      progress(`${number(filled)} earlier rows, filled in at ${number((to - from) / seconds)} a second.`)
    }),
  )
  signal.throwIfAborted()
  await connected(url, (client) => client.query('VACUUM (ANALYZE) transactions'))
}

/** As ensure_transactions_partition names it. */
const monthTable = (at: number): string =>
  `transactions_${new Date(at).toISOString().slice(0, 7).replace('-', '_')}`

/** The pattern's rows once more, as far as they fall between `from` and `to`; `n` counts all earlier rows. */
function insertRound(month: string, room: Room, { workload, from, to, of }: Growth, round: number): string {
  const before = round * workload.records
  const step = (room.to - room.from) / of / 1000
  const prefix = `tx-0-${room.to.toString(36)}-`
  const changed: Record<string, string> = {
    // As wide as the workload's, and sorted before them.
    transaction_id:
      workload.ids === 'uuid' ? 'gen_random_uuid()::text' : `'${prefix}' || lpad(n::text, 9, '0')`,
    timestamp: `date_trunc('milliseconds', to_timestamp(${room.from / 1000} + (n - 1) * ${step}::float8))`,
    kafka_offset: `n - ${of + 1}`,
  }
  return `INSERT INTO ${month} (${COLUMNS.join(', ')})
    SELECT ${COLUMNS.map((column) => changed[column] ?? column).join(', ')}
    FROM (SELECT ${before} + place AS n, * FROM ${PATTERN}) pattern
    WHERE n > ${from} AND n <= ${to}`
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
