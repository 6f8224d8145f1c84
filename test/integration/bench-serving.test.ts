import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureServing } from '../../bench/serving.ts'
import { faultOf } from '../../bench/serving-report.ts'
import { servers } from '../harness.ts'

test('the stream goes on beside calls, all of which are answered; every record is stored', async () => {
  const report = await measureServing({
    rate: 500,
    requests: 40,
    clients: 2,
    seconds: 2,
    warmUpSeconds: 1,
    restSeconds: 1,
    rows: 20_000,
    anomalies: 3000,
    accounts: 100,
    streamAccounts: 100,
    settings: servers(),
    progress: () => {},
    signal: new AbortController().signal,
  })
  assert.equal(faultOf(report), null)
  assert.deepEqual(
    report.phases.map(({ kind }) => kind),
    ['alone', 'beside', 'alone'],
  )
  const [, { served, p50_ms }] = report.phases
  assert.ok(served!.requests_per_second > 0 && served!.requests_per_second < 80, JSON.stringify(served))
  assert.ok(p50_ms > 0 && report.kept > 0)
})
