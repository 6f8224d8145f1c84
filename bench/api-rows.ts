import type pg from 'pg'
import { COLUMNS } from '../pipeline/store/copy-encoder.ts'
import { withClient } from '../schemas/database.ts'
import type { Settings } from '../schemas/settings.ts'
import { createPattern, PATTERN, type Pattern } from './api-pattern.ts'
import { buildIndexesAfter } from './later-indexes.ts'

/**
 * A table as the API finds it in use: three months of the simulator's transactions, of which some are anomalies, most of
 * them decided. The pattern's rows are inserted again and again, with ids, accounts, times, scores and statuses of their own.
 */

export interface Filling {
  rows: number
  /** Of them. */
  anomalies: number
  accounts: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

const MONTHS = ['2025-10-01', '2025-11-01', '2025-12-01', '2026-01-01'].map((day) => Date.parse(day))
const PATTERN_RECORDS = 100_000
const PARTITIONS = 6

export const anomalyId = (n: number): string => `an-${String(n).padStart(12, '0')}`
export const accountId = (n: number): string => `account-${n}`

/** Fills an empty database of this version's schema; indexes are built when the rows are in. */
export function fillTable(url: string, filling: Filling): Promise<void> {
  const { progress, signal, settings } = filling
  return withClient({ connectionString: url, application_name: 'weir-bench-fill' }, async (client) => {
    // A benchmark's rows are made anew where they are lost.
    await client.query('SET synchronous_commit = off')
    progress('Deciding about the pattern of the rows ...')
    const pattern = await createPattern(client, patternRecords(filling), settings, signal)
    for (let month = 0; month < MONTHS.length - 1; month++) {
      const from = new Date(MONTHS[month]).toISOString()
      await client.query('SELECT ensure_transactions_partition($1)', [from])
      const table = `transactions_${from.slice(0, 7).replace('-', '_')}`
      await buildIndexesAfter(client, table, { progress, signal }, async () => {
        for (const kind of ['others', 'anomalies'] as const)
          await fillMonth(client, table, month, kind, pattern, filling)
        progress(`${table} is filled.`)
      })
    }
    await client.query(`DROP TABLE ${PATTERN}`)
    await client.query('VACUUM (ANALYZE) transactions')
    await client.query('CHECKPOINT').catch(() => {}) // only some roles may
  })
}

const patternRecords = ({ rows }: Filling): number => Math.min(PATTERN_RECORDS, Math.max(rows, 20_000))

/** Rows of a kind are numbered from 1 over all months, and each month has its share of them. */
async function fillMonth(
  client: pg.Client,
  table: string,
  month: number,
  kind: keyof Pattern,
  pattern: Pattern,
  { rows, anomalies, accounts, signal }: Filling,
): Promise<void> {
  const total = kind === 'anomalies' ? anomalies : rows - anomalies
  const months = MONTHS.length - 1
  const first = Math.floor((total * month) / months)
  const end = Math.floor((total * (month + 1)) / months)
  const [from, to] = [MONTHS[month] / 1000, MONTHS[month + 1] / 1000]
  const step = (to - from) / Math.max(1, end - first)
  const statement = insertOf(table, kind)
  for (let before = first; before < end; before += pattern[kind]) {
    signal.throwIfAborted()
    await client.query(statement, [before, end, from, step, first, accounts])
  }
}

/** Fractions of 0..1 that look like chance and are the same in each run. */
const mixed = (salt: number) => `(abs(hashint8(n + ${salt})::bigint) % 1000000) / 1e6`

/** $1 rows of the kind before these, $2 the last one, $3 and $4 the first time and the step, $5 rows before the month. */
function insertOf(table: string, kind: keyof Pattern): string {
  const isAnomaly = kind === 'anomalies'
  const changed: Record<string, string> = {
    transaction_id: `'${isAnomaly ? 'an' : 'tx'}-' || lpad(n::text, 12, '0')`,
    account_id: `'account-' || abs(hashint8(n)::bigint) % $6::bigint`,
    timestamp: `date_trunc('milliseconds', to_timestamp($3::float8 + (n - 1 - $5::bigint) * $4::float8))`,
    kafka_partition: `n % ${PARTITIONS}`,
    // Below 0: a pipeline's recovery passes over them, as over what lies before a checkpoint.
    kafka_offset: `-2 * n - ${isAnomaly ? 1 : 2}`,
    ...(isAnomaly
      ? { score: `(0.7 + 0.3 * ${mixed(1)})::real`, status: STATUS, amount: `amount * (1 + ${mixed(2)})` }
      : {}),
  }
  return `INSERT INTO ${table} (${COLUMNS.join(', ')})
    SELECT ${COLUMNS.map((column) => changed[column] ?? column).join(', ')}
    FROM (SELECT $1::bigint + place AS n, * FROM ${PATTERN} WHERE is_anomaly = ${isAnomaly}) pattern
    WHERE n <= $2::bigint`
}

/** A tenth waits; the others were decided, mostly as harmless. */
const STATUS = `(ARRAY['NEW', 'INVESTIGATED', 'FRAUD', 'FRAUD', 'DISMISSED', 'DISMISSED', 'DISMISSED', 'DISMISSED',
  'DISMISSED', 'DISMISSED'])[1 + floor(10 * ${mixed(3)})::int]`
