import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountTransactions } from '../../api/sql/accounts.ts'
import { findAnomaly, listAnomalies } from '../../api/sql/anomalies.ts'
import { readAnomaly } from '../../api/sql/anomaly-detail.ts'
import type { Database, Query } from '../../api/sql/database.ts'
import { changeStatus, statusHistory } from '../../api/sql/statuses.ts'
import { createClient } from '../../schemas/database.ts'
import { freshDatabase, query } from '../harness.ts'
import { insertAnomalies } from './queue-rows.ts'

/** PostgreSQL plans a named statement anew for its first five calls, and for all if it holds those plans to be cheaper. */
const CALLS = 12

const MONTHS = ['2026-07', '2026-08', '2026-09', '2026-10', '2026-11']
const ROWS = 20_000
const timeOf = (n: number) =>
  new Date(Date.parse(`${MONTHS[n % MONTHS.length]}-01T00:00:00Z`) + Math.floor(n / 5) * 600_000)

test('what is looked up by ids, and the plain queue, are planned once and not for each call', async (t) => {
  const url = await freshDatabase(t)
  const statuses = ['NEW', 'INVESTIGATED', 'FRAUD', 'DISMISSED', null]
  await insertAnomalies(
    url,
    Array.from({ length: ROWS }, (_, n) => ({
      id: `T-${n}`,
      account: `ACC-${n % 1000}`,
      time: timeOf(n).toISOString(),
      score: 0.7 + (n % 300) / 1000,
      status: statuses[n % 7] ?? 'NEW',
    })),
  )
  await query(url, 'ANALYZE')
  const client = createClient({ connectionString: url, application_name: 'weir-test' })
  await client.connect()
  const run: Query = async (text, values, name) => (await client.query({ text, values, name })).rows
  const database = { query: run, transaction: (work) => work(run) } as Database

  const ranks = { score: '-0.8', loss: '-9.0000' }
  const after = { exact_time: '2026-09-01T00:00:00.000000Z', transaction_id: 'T-5' }
  const who = { actor: 'test', request_id: 'r' }
  for (let n = 0; n < CALLS; n++) {
    const [id, time] = [`T-${n * 31}`, timeOf(n * 31).toISOString()]
    for (const timestamp of [undefined, time]) {
      assert.equal((await readAnomaly(run, id, timestamp))?.transaction_id, id)
      assert.equal((await findAnomaly(run, id, timestamp))?.transaction_id, id)
      // A verdict, one that is taken back, and nothing to take back.
      for (const new_status of ['FRAUD', 'INVESTIGATED', 'NEW'] as const)
        await changeStatus(database, { transaction_id: id, timestamp, new_status, ...who })
    }
    await statusHistory(run, id, time)
    assert.equal((await accountTransactions(run, `ACC-${n}`, 5 + n)).length, 5 + n)
    for (const order of ['score', 'loss'] as const)
      for (const status of [undefined, ['NEW'], ['NEW', 'FRAUD']])
        for (const behind of [undefined, { rank: ranks[order], ...after }])
          assert.ok((await listAnomalies(run, { order, status }, { limit: 5 + n, after: behind })).length > 0)
  }
  const { rows } = await client.query<{ name: string; generic: number; custom: number }>(
    'SELECT name, generic_plans AS generic, custom_plans AS custom FROM pg_prepared_statements ORDER BY name',
  )
  await client.end()
  assert.equal(rows.length, 2 + 2 + 2 + 3 + 1 + 1 + 12, rows.map(({ name }) => name).join(', '))
  assert.deepEqual(
    rows.filter(({ generic }) => generic === 0),
    [],
  )
})
