import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { measureLatency } from '../../bench/latency.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { createLogger } from '../../schemas/log.ts'
import { query, servers } from '../harness.ts'

async function topics(): Promise<string[]> {
  const admin = createKafka(servers(), 'weir-test', createLogger('test', 'silent')).admin()
  await admin.connect()
  try {
    return (await admin.listTopics()).filter((name) => name.startsWith('weir-bench-'))
  } finally {
    await admin.disconnect()
  }
}

const databases = () =>
  query<{ datname: string }>(
    servers().DATABASE_URL,
    `SELECT datname FROM pg_database WHERE datname LIKE 'weir_bench_%'`,
  )

const LOCKED_MS = 2000

test('latencies are those of all records that were due, also while the pipeline could not store', async () => {
  const began = Promise.withResolvers<void>()
  const locked = began.promise.then(lockRows)
  const report = await measureLatency({
    idleRecords: 15,
    rates: [1000, 200],
    seconds: 4,
    warmUpSeconds: 1,
    runs: 1,
    accounts: 200,
    settings: servers(),
    progress: (line) => {
      if (line.includes(': 200 records/s')) began.resolve()
    },
    signal: new AbortController().signal,
  })
  await locked
  assert.equal(report.idle.records, 15)
  assert.ok(report.idle.p50_ms > 0 && report.idle.p50_ms < 1000, JSON.stringify(report.idle))
  assert.deepEqual(
    report.rates.map(({ rate, records }) => [rate, records]),
    [
      [1000, 4000],
      [200, 800],
    ],
  )
  for (const rate of report.rates) {
    const { p50_ms, p99_ms, p999_ms, max_ms } = rate
    const ascending = [0, p50_ms, p99_ms, p999_ms, max_ms]
    const sorted = ascending.toSorted((a, b) => a - b)
    assert.deepEqual(ascending, sorted, JSON.stringify(rate))
    assert.ok(max_ms < 10_000, JSON.stringify(rate))
  }
  // The lock began about with the warm-up of a second, and lasted into what counts.
  const [, { p99_ms, max_ms }] = report.rates
  assert.ok(max_ms >= LOCKED_MS - 1000, String(max_ms))
  assert.ok(p99_ms >= LOCKED_MS - 1200, String(p99_ms))
  assert.deepEqual([await topics(), await databases()], [[], []])
})

/** Keeps the pipeline from storing for a while, from its first row on. */
async function lockRows(): Promise<void> {
  const url = await withRows()
  await query(
    url,
    `DO $$ BEGIN LOCK TABLE transactions IN SHARE MODE; PERFORM pg_sleep(${LOCKED_MS / 1000}); END $$`,
  )
}

test('a row that is missing at the end fails the benchmark', async () => {
  let losing = Promise.resolve()
  const measuring = measureLatency({
    idleRecords: 15,
    rates: [200],
    seconds: 60,
    warmUpSeconds: 0,
    runs: 1,
    accounts: 200,
    settings: servers(),
    progress: (line) => {
      if (line.startsWith('One record')) losing = loseOneRow()
    },
    signal: new AbortController().signal,
  })
  await assert.rejects(measuring, /of 25 records 24 are stored, and 0 were left out/)
  await losing
  assert.deepEqual([await topics(), await databases()], [[], []])
})

/** Deletes a row as soon as there is one. */
async function loseOneRow(): Promise<void> {
  await query(
    await withRows(),
    'DELETE FROM transactions WHERE transaction_id = (SELECT min(transaction_id) FROM transactions)',
  )
}

/** The benchmark's database of now, once the pipeline has stored a row in it. */
async function withRows(): Promise<string> {
  for (;;) {
    for (const { datname } of await databases()) {
      const url = new URL(servers().DATABASE_URL)
      url.pathname = datname
      // It may be about to be made, or to be deleted.
      const found = await query(url.href, 'SELECT 1 FROM transactions LIMIT 1').catch(() => [])
      if (found.length > 0) return url.href
    }
    await sleep(20)
  }
}
