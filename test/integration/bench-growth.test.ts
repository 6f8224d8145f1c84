import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addEarlierRows, emptyIntoPattern } from '../../bench/earlier-rows.ts'
import { measureGrowth } from '../../bench/growth.ts'
import { startOf, transactions, type Workload } from '../../bench/workload.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { freshDatabase, query, servers } from '../harness.ts'

const { signal } = new AbortController()
const progress = () => {}

/** The workload's rows as the pipeline would have stored them, as far as what is earlier hangs on them. */
async function storeWorkload(url: string, workload: Workload): Promise<void> {
  const stream = transactions(workload)
  const rows = Array.from({ length: workload.records }, (_, n) => {
    const { transaction_id, account_id, timestamp } = stream.next().value
    const [partition, offset] = [n % 3, Math.floor(n / 3)]
    const values = [transaction_id, account_id, new Date(timestamp).toISOString(), partition, offset]
    return `('${values.join("', '")}', 1, 'EUR', '', '', 'ATM', 0.1, ${n % 50 === 0}, 'r', 'm')`
  })
  await query(url, `SELECT ensure_transactions_partition('${new Date(startOf(workload)).toISOString()}')`)
  await query(
    url,
    `INSERT INTO transactions (transaction_id, account_id, timestamp, kafka_partition, kafka_offset, amount, currency,
       merchant_category, location, channel, score, is_anomaly, rules_version, model_version) VALUES ${rows.join()}`,
  )
}

interface Facts {
  rows: number
  ids: number
  widths: number[]
  highest_offset: number
  first: string
  last: string
  in_order: boolean
  last_id: string
  anomalies: number
}

const factsOf = async (url: string): Promise<Facts> => {
  const [facts] = await query<Facts>(
    url,
    `SELECT count(*) AS rows, count(DISTINCT transaction_id) AS ids, max(kafka_offset) AS highest_offset,
            array_agg(DISTINCT length(transaction_id)) AS widths, min(timestamp)::text AS first,
            max(timestamp)::text AS last, max(transaction_id) AS last_id,
            array_agg(timestamp ORDER BY kafka_offset) = array_agg(timestamp ORDER BY timestamp) AS in_order,
            count(*) FILTER (WHERE is_anomaly) AS anomalies
     FROM transactions`,
  )
  return facts
}

interface IndexFacts {
  definition: string
  indisvalid: boolean
}

const indexesOf = (url: string) =>
  query<IndexFacts>(
    url,
    `SELECT pg_get_indexdef(parent.indexrelid) AS definition, child.indisvalid
     FROM pg_index parent JOIN pg_inherits ON inhparent = parent.indexrelid
     JOIN pg_index child ON child.indexrelid = inhrelid
     WHERE parent.indrelid = 'transactions'::regclass ORDER BY 1`,
  )

test('earlier rows are the workload’s again: in its month, before it, ids before its own, all indexes there', async (t) => {
  const url = await freshDatabase(t)
  const workload: Workload = { records: 900, accounts: 400, ids: 'sequential' }
  await storeWorkload(url, workload)
  const before = (await indexesOf(url)).map(({ definition }) => definition)
  await emptyIntoPattern(url)
  assert.equal((await factsOf(url)).rows, 0)

  const growth = { workload, of: 3000, progress, signal }
  await addEarlierRows(url, { ...growth, from: 0, to: 1000 })
  assert.equal((await factsOf(url)).rows, 1000)
  await addEarlierRows(url, { ...growth, from: 1000, to: 3000 })
  const facts = await factsOf(url)
  const first = transactions(workload).next().value
  assert.deepEqual([facts.rows, facts.ids, facts.highest_offset], [3000, 3000, -1])
  assert.deepEqual(facts.widths, [first.transaction_id.length])
  assert.ok(facts.last_id < first.transaction_id, facts.last_id)
  assert.equal(facts.first, '2025-12-01 00:00:00+00')
  assert.ok(Date.parse(facts.last) < startOf(workload))
  assert.ok(facts.in_order)
  assert.equal(facts.anomalies, 3 * 18 + 6)

  const after = await indexesOf(url)
  assert.deepEqual(
    after.map(({ definition }) => definition),
    before,
  )
  assert.ok(after.every(({ indisvalid }) => indisvalid))
})

test('random ids are random in the earlier rows, too', async (t) => {
  const url = await freshDatabase(t)
  const workload: Workload = { records: 200, accounts: 100, ids: 'uuid' }
  await storeWorkload(url, workload)
  await emptyIntoPattern(url)
  await addEarlierRows(url, { workload, from: 0, to: 500, of: 500, progress, signal })
  const facts = await factsOf(url)
  assert.deepEqual([facts.rows, facts.ids, facts.widths], [500, 500, [36]])
})

test('growth is measured over rows and over accounts, with the same decisions whatever was there before', async () => {
  const said: string[] = []
  const { growth, accounts } = await measureGrowth({
    records: 2000,
    runs: 1,
    rows: [0, 3000],
    ids: ['sequential'],
    accounts: [300],
    settings: { ...loadSettings([], {}), ...servers() },
    progress: (line) => said.push(line),
    signal,
  })
  assert.deepEqual(
    growth.map(({ ids, rows }) => [ids, rows]),
    [
      ['sequential', 0],
      ['sequential', 3000],
    ],
  )
  for (const size of growth) {
    assert.ok(size.pipeline_tps > 0 && size.empty_tps > 0)
    assert.equal(size.anomalies, growth[0].anomalies)
    if (process.platform === 'linux') assert.ok(size.peak_rss_mb! >= size.rss_mb! && size.rss_mb! > 50)
  }
  assert.equal(growth[0].ratio_to_empty, 1)
  assert.deepEqual([accounts[0].accounts, accounts[0].records], [300, 2000])
  assert.ok(accounts[0].pipeline_tps > 0)
  const left = await query(
    servers().DATABASE_URL,
    `SELECT 1 FROM pg_database WHERE datname LIKE 'weir_bench_%'`,
  )
  assert.equal(left.length, 0)
  assert.ok(said.some((line) => line.startsWith('3,000 earlier rows, filled in at ')))
})
