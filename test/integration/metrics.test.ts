import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from '../../api/main.ts'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import { testSettings, until } from '../harness.ts'
import { runningPipeline, untilProcessed } from '../support/pipelines.ts'
import { quiet, sendMessages, sendTransactions } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'
import { documentedMetrics, familiesOf } from '../support/watching.ts'

const documented = [...documentedMetrics().values()]

/** Fails where a page of metrics and deploy/metrics.md differ in names, types or labels. */
function assertDocumented(page: string, by: 'pipeline' | 'API'): void {
  const families = familiesOf(page)
  const served = [...families.keys()].filter((name) => name.startsWith('weir_')).sort()
  const expected = documented.filter((metric) => metric.by.includes(by))
  assert.deepEqual(served, expected.map(({ name }) => name).sort())
  for (const { name, type, labels } of expected) {
    const family = families.get(name)!
    assert.equal(family.type, type, name)
    // One without a series shows no label.
    if (family.labels.size > 0 || labels.length === 0)
      assert.deepEqual([...family.labels].sort(), labels.toSorted(), name)
  }
}

/** A series' value by name and labels as they are printed. */
const numberOf = (page: string, series: string): number | undefined => {
  const line = page.split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

test("the pipeline's metrics are those of the table, begin at 0, and count what was processed", async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1', CHECKPOINT_SECONDS: '1' })
  await using pipeline = await runningPipeline(settings)
  const scrape = async () => (await fetch(`${pipeline.healthUrl}/metrics`)).text()
  const before = await scrape()
  for (const series of [
    'weir_anomalies_total{reason="HIGH_AMOUNT",severity="high"}',
    'weir_anomalies_total{reason="MODEL",severity="critical"}',
    'weir_dead_letters_total{code="NOT_FRAMED"}',
    'weir_store_failures_total{reaction="retry"}',
    'weir_stage_seconds_count{stage="score"}',
    'weir_waiting_for_server{server="database"}',
  ])
    assert.equal(numberOf(before, series), 0, series)

  const id = (n: number) => `metrics-${n}`
  await sendTransactions(settings, [
    ...Array.from({ length: 20 }, (_, n) => transaction({ transaction_id: id(n), account_id: `a-${n}` })),
    transaction({ transaction_id: id(20), amount: 9000 * AMOUNT_UNITS }),
    transaction({ transaction_id: id(20), amount: 9000 * AMOUNT_UNITS }),
  ])
  await sendMessages(settings, [{ key: 'a-1', value: Buffer.from('no transaction') }])
  await untilProcessed(settings, { pipeline })
  const saved = () => scrape().then((page) => numberOf(page, 'weir_unsaved_records{partition="0"}') === 0)
  await until(saved, { what: 'a checkpoint', seconds: 15 })

  const page = await scrape()
  assertDocumented(page, 'pipeline')
  for (const [series, value] of [
    ['weir_transactions_stored_total', 21],
    ['weir_duplicates_total', 1],
    ['weir_dead_letters_total{code="NOT_FRAMED"}', 1],
    ['weir_anomalies_total{reason="HIGH_AMOUNT",severity="high"}', 1],
    ['weir_processed_records_total{partition="0"}', 23],
    ['weir_topic_records_total{partition="0"}', 23],
    ['weir_lag_records{partition="0"}', 0],
    ['weir_owned_partitions', 1],
    ['weir_topic_partitions', 1],
    ['weir_checkpoint_interval_seconds', 1],
    ['weir_anomaly_threshold', 0.7],
  ] as const)
    assert.equal(numberOf(page, series), value, series)
  const now = Date.now() / 1000
  for (const series of ['weir_newest_record_timestamp_seconds', 'weir_checkpoint_timestamp_seconds']) {
    const at = numberOf(page, `${series}{partition="0"}`)!
    assert.ok(now - at < 60 && at <= now, `${series} ${at}`)
  }
  assert.ok(numberOf(page, 'weir_end_to_end_latency_seconds_count')! >= 1)
  assert.ok(numberOf(page, 'weir_copy_bytes_total')! > 20 * 50)
  assert.ok(numberOf(page, 'weir_stage_seconds_count{stage="decode"}')! >= 1)
  assert.ok(numberOf(page, 'weir_store_failures_total{reaction="duplicate"}')! >= 1)
  assert.match(page, /^weir_rules_info\{version="rules-[0-9a-f]{12}"\} 1$/m)
  assert.match(page, /^weir_model_info\{version="[\w-]+"\} 1$/m)
})

test("the API's metrics are those of the table; what is not known yet is absent", async (t) => {
  const settings = await testSettings(t, { AUDIT_VERIFY_HOURS: '0.0005' })
  const api = await startApi({ settings, log: quiet })
  t.after(() => api.stop())
  const headers = { 'X-API-Key': settings.API_KEY }
  const scrape = async () => (await fetch(`${api.url}/metrics`, { headers })).text()
  await scrape()
  const answers = async () => numberOf(await scrape(), 'weir_database_up') === 1
  await until(answers, { what: 'the database to have answered' })
  const verified = async () => numberOf(await scrape(), 'weir_audit_findings') === 0
  await until(verified, { what: 'the audit to be verified' })
  const page = await scrape()
  assertDocumented(page, 'API')
  assert.equal(numberOf(page, 'weir_audit_rows'), 0)
  assert.ok(Date.now() / 1000 - numberOf(page, 'weir_audit_verified_timestamp_seconds')! < 60)
  assert.equal(numberOf(page, 'weir_database_pool_size'), settings.DATABASE_POOL_SIZE)
  assert.equal(
    numberOf(page, 'weir_http_requests_total{method="GET",route="/api/v1/anomalies",status="504"}'),
    0,
  )
})
