import { once } from 'node:events'
import { setImmediate as breathe } from 'node:timers/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { createBatch, createOwnership } from '../pipeline/batch.ts'
import { AccountStates } from '../pipeline/features/account-states.ts'
import { defaultArtifact, openModel } from '../pipeline/models/model.ts'
import { loadRules } from '../pipeline/rules/rules.ts'
import { computeFeatures } from '../pipeline/stages/features.ts'
import { score } from '../pipeline/stages/score.ts'
import { COLUMNS, CopyEncoder } from '../pipeline/store/copy-encoder.ts'
import type { Settings } from '../schemas/settings.ts'
import { HOUR } from '../schemas/time.ts'
import { commitOldest } from './stages-timer.ts'
import { transactions } from './workload.ts'

/** Rows as the pipeline makes them: `place` numbers anomalies and others each by themselves, from 1. */
export const PATTERN = 'weir_bench_pattern'
const BATCH = 1000
const ACCOUNTS = 5000

export interface Pattern {
  anomalies: number
  others: number
}

/** Fills {@link PATTERN} with so many of the simulator's transactions, decided by the pipeline's own stages. */
export async function createPattern(
  client: pg.Client,
  records: number,
  settings: Settings,
  signal: AbortSignal,
): Promise<Pattern> {
  await client.query('CREATE UNLOGGED TABLE weir_bench_rows (LIKE transactions)')
  const stream = client.query(
    copyFrom(`COPY weir_bench_rows (${COLUMNS.join(', ')}) FROM STDIN (FORMAT binary)`),
  )
  const finished = once(stream, 'finish')
  for await (const chunk of encoded(records, settings)) {
    signal.throwIfAborted()
    if (!stream.write(chunk)) await once(stream, 'drain')
  }
  stream.end()
  await finished
  await client.query(
    `CREATE TABLE ${PATTERN} AS
     SELECT row_number() OVER (PARTITION BY is_anomaly ORDER BY kafka_offset) AS place, * FROM weir_bench_rows`,
  )
  await client.query(`DROP TABLE weir_bench_rows`)
  await client.query(`ANALYZE ${PATTERN}`)
  const { rows } = await client.query<Pattern>(
    `SELECT count(*) FILTER (WHERE is_anomaly) AS anomalies, count(*) FILTER (WHERE NOT is_anomaly) AS others
     FROM ${PATTERN}`,
  )
  if (rows[0].anomalies === 0) throw new Error(`none of ${records} simulated transactions is an anomaly`)
  return rows[0]
}

/** One COPY in pieces. */
async function* encoded(records: number, settings: Settings): AsyncGenerator<Buffer> {
  const rules = loadRules(settings.RULES_FILE)
  const model = openModel(defaultArtifact())
  const judge = score(rules, model, settings.ANOMALY_THRESHOLD)
  const encoder = new CopyEncoder(rules.version, model.version)
  const owner = createOwnership('bench', 0, 0, new AccountStates(settings.ALLOWED_LATENESS * HOUR))
  const stream = transactions({ records, accounts: ACCOUNTS, ids: 'sequential' })
  const batches = []
  for (let from = 0; from < records; from += BATCH) {
    const rows = Math.min(BATCH, records - from)
    const offsets = Array.from({ length: rows }, (_, i) => from + i)
    const batch = createBatch(
      owner,
      from,
      from + rows,
      offsets.map((offset) => ({ offset, timestamp: 0, key: null, value: null, headers: undefined })),
    )
    batch.transactions = offsets.map(() => stream.next().value)
    batch.recordOf = offsets.map((_, i) => i)
    judge(computeFeatures(batch))
    commitOldest(owner)
    batches.push(batch)
    await breathe()
  }
  for (const chunk of encoder.encode(batches)) yield Buffer.from(chunk)
}
