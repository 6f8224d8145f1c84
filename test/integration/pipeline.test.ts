import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAmount, type Transaction } from '../../schemas/transaction.ts'
import { query, testSettings } from '../harness.ts'
import { runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, type StoredRow, skippedOffsets, storedRows } from '../support/tables.ts'
import { endOffsets, sendTransactions } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

const day = 86_400_000

/** The columns that come from the transaction itself. */
const asSent = (row: StoredRow) => ({
  transaction_id: row.transaction_id,
  account_id: row.account_id,
  timestamp: row.ms,
  amount: row.amount,
  currency: row.currency,
  merchant_id: row.merchant_id,
  merchant_category: row.merchant_category,
  location: row.location,
  channel: row.channel,
  is_fraud: row.is_fraud,
})
const asStored = (tx: Transaction) => ({ ...tx, amount: formatAmount(tx.amount) })

const byId = <T extends { transaction_id: string }>(rows: T[]): T[] =>
  rows.toSorted((a, b) => (a.transaction_id < b.transaction_id ? -1 : 1))

test('what is produced is in the table once, with exact amounts, times and texts', async (t) => {
  const settings = await testSettings(t)
  const edges = [
    { amount: 0 },
    { amount: 1 },
    { amount: 10_000 },
    { amount: 99_999_999 },
    { amount: 100_000_000 },
    { amount: 9_999_999_999_999 },
    { timestamp: Date.UTC(2000, 0, 1) },
    { timestamp: Date.UTC(2026, 9, 31, 23, 59, 59, 999) },
    { timestamp: Date.UTC(2026, 10, 1) },
    { timestamp: Date.now() + day - 60_000 },
    { merchant_id: null, merchant_category: '', location: '', is_fraud: true },
    { merchant_id: '', is_fraud: false },
    { account_id: 'Ω'.repeat(32), location: 'Zürich 東京 🏦', merchant_category: 'é\u0301\t\n\\N"' },
    { location: 'a replacement character that was meant: \ufffd', currency: 'jpy' },
    { merchant_id: 'm'.repeat(100_000) },
    { channel: 'TRANSFER' as const },
  ].map((given, i) => transaction({ transaction_id: `edge-${i}`, account_id: `account-${i % 4}`, ...given }))
  const sent = [...simulated(2000, 1), ...edges]
  await sendTransactions(settings, sent)
  await runToEnd(settings)

  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(byId(rows.map(asSent)), byId(sent).map(asStored))
})

test('positions stand at the end of each partition and tell what became of every record', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3' })
  const sent = simulated(1500, 2)
  const invalid = [-1, 10 ** 13].map((amount, i) => transaction({ transaction_id: `bad-${i}`, amount }))
  await sendTransactions(settings, [...sent, ...invalid, ...sent.slice(0, 100)])
  await runToEnd(settings)

  const ends = await endOffsets(settings)
  const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.deepEqual(
    reached.map((p) => p.next_offset),
    ends,
  )
  for (const p of reached) assert.equal(p.stored + p.duplicates + p.dead_letters, p.next_offset)
  const sum = (name: keyof (typeof reached)[0]) => reached.reduce((total, p) => total + p[name], 0)
  const rows = await storedRows(settings.DATABASE_URL)
  assert.equal(sum('stored'), rows.length)
  assert.equal(sum('stored'), 1500)
  assert.equal(sum('anomalies'), rows.filter((row) => row.is_anomaly).length)
  assert.equal(sum('duplicates'), 100)
  assert.equal(sum('dead_letters'), 2)
  const skipped = await skippedOffsets(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.equal(skipped.length, 102)
  // Each offset once: as a row, or as skipped.
  for (const [partition, end] of ends.entries()) {
    const offsets = rows.filter((r) => r.kafka_partition === partition).map((r) => r.kafka_offset)
    const left = skipped.filter((s) => s.startsWith(`${partition}/`)).map((s) => Number(s.split(/[/ ]/)[1]))
    assert.deepEqual(
      [...offsets, ...left].toSorted((a, b) => a - b),
      Array.from({ length: end }, (_, i) => i),
    )
  }
})

test('an anomaly has reasons, features and the status NEW; any other transaction has none of them', async (t) => {
  const settings = await testSettings(t)
  await sendTransactions(settings, [
    ...simulated(1500, 3),
    transaction({ transaction_id: 'large', amount: 60_000_000 }),
  ])
  await runToEnd(settings)

  const rows = await storedRows(settings.DATABASE_URL)
  const anomalies = rows.filter((row) => row.is_anomaly)
  assert.ok(anomalies.length > 0 && anomalies.length < rows.length, `${anomalies.length} anomalies`)
  for (const row of rows) {
    assert.ok(row.score >= 0 && row.score <= 1, String(row.score))
    assert.equal(row.is_anomaly, row.score >= Math.fround(0.7))
    assert.ok(row.rules_version.startsWith('rules-') && row.model_version.length > 0)
    if (!row.is_anomaly) {
      const { status, reasons, features, alert_reason } = row
      assert.deepEqual([status, reasons, features, alert_reason], [null, null, null, null])
      continue
    }
    assert.equal(row.status, 'NEW')
    assert.equal(row.reasons![0].code, row.alert_reason)
    assert.equal(row.features!.amount, Number(row.amount))
  }
  const large = rows.find((row) => row.transaction_id === 'large')!
  assert.equal(large.alert_reason, 'HIGH_AMOUNT')
  assert.equal(large.score, 0.8)
})

test('a month of the table is made for each month that events are in, years apart too', async (t) => {
  const settings = await testSettings(t)
  const times = [
    Date.UTC(2003, 1, 28, 23, 59, 59, 999),
    Date.UTC(2003, 2, 1),
    Date.UTC(2016, 11, 31),
    Date.UTC(2026, 9, 5),
  ]
  await sendTransactions(
    settings,
    times.map((timestamp, i) => transaction({ transaction_id: `tx-${i}`, timestamp })),
  )
  await runToEnd(settings)

  const months = await query<{ month: string; rows: number }>(
    settings.DATABASE_URL,
    'SELECT tableoid::regclass::text AS month, count(*) AS rows FROM transactions GROUP BY 1 ORDER BY 1',
  )
  assert.deepEqual(
    months.map((m) => m.month),
    ['transactions_2003_02', 'transactions_2003_03', 'transactions_2016_12', 'transactions_2026_10'],
  )
})

test('the metrics tell the length of every queue, and how large the state of each partition is', async (t) => {
  const settings = await testSettings(t, { LANES: '2' })
  await sendTransactions(settings, simulated(500, 8))
  await using pipeline = await runningPipeline(settings)
  await untilProcessed(settings, { pipeline })
  const text = await (await fetch(`${pipeline.healthUrl}/metrics`)).text()
  const values = (name: string) =>
    new Map(
      Array.from(
        text.matchAll(new RegExp(`^${name}\\{\\w+="([^"]*)"\\} (.*)$`, 'gm')),
        ([, label, value]) => [label, Number(value)],
      ),
    )
  const queues = values('weir_queued_batches')
  assert.deepEqual(
    [...queues.keys()].sort(),
    ['decode', 'features', 'lane-0', 'lane-1', 'score', 'source', 'store'],
    text,
  )
  for (const [queue, length] of queues) assert.equal(length, 0, queue)
  const accounts = [...values('weir_state_accounts').values()].reduce((sum, n) => sum + n, 0)
  const [{ n }] = await query<{ n: number }>(
    settings.DATABASE_URL,
    'SELECT count(DISTINCT account_id) AS n FROM transactions',
  )
  assert.equal(accounts, n)
  for (const partition of ['0', '1']) assert.ok(values('weir_state_bytes').get(partition)! > 0)
})
