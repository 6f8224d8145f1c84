import assert from 'node:assert/strict'
import { test } from 'node:test'
import { callsOf } from '../../bench/api-calls.ts'
import { counter } from '../../bench/api-load.ts'
import { type ApiReport, type CallFigures, faultOf, lastToFirst, renderApi } from '../../bench/api-report.ts'
import { HOST } from '../support/host.ts'

const rate = (p50_ms: number) => ({ requests_per_second: 1234.5, p50_ms, p99_ms: 2 * p50_ms })
const call = (name: string, p50: number, bare = p50 / 2, errors = 0): CallFigures => ({
  name,
  ...rate(p50),
  errors,
  bare: rate(bare),
})
const calls = [
  { ...call('health/live', 0.5), bare: null },
  call('queue, all, first page', 8, 4),
  call('queue, all, last page', 9, 5),
  call('by loss, all, first page', 10, 5),
  call('by loss, all, last page', 20, 5),
]
const report: ApiReport = {
  calls,
  rows: 10_000_000,
  anomalies: 1_000_000,
  accounts: 50_000,
  database_mb: 7000,
  clients: 4,
  pool: 10,
  seconds: 10,
  last_to_first_page: lastToFirst(calls),
  host: HOST,
  postgres: '18.4',
}

test('the last page is compared with the first, of the API and of the statements', () => {
  assert.deepEqual(report.last_to_first_page, { score: { api: 1.13, bare: 1.25 }, loss: { api: 2, bare: 1 } })
})

test('the text has a line for each call, and none for statements that there are not', () => {
  const text = renderApi(report)
  assert.match(text, /^queue, all, first page +1,235 +8\.0 +16\.0 +1,235 +4\.0 +8\.0$/m)
  assert.match(text, /^health\/live +1,235 +0\.5 +1\.0$/m)
  assert.match(text, /10,000,000 rows, 1,000,000 of them anomalies/)
})

test('a call that is not answered well is named', () => {
  assert.equal(faultOf(report), null)
  assert.match(faultOf({ calls: [...calls, call('stats', 1, 1, 3)] })!, /3 of stats/)
})

test('clients change anomalies of their own, each once before any is changed again', async () => {
  const sizes = { rows: 2000, anomalies: 1000, accounts: 10, clients: 4 }
  const all = await callsOf((async () => [undefined]) as never, sizes)
  const next = counter(4)
  const seen = new Set<string>()
  const { request } = all.find(({ name }) => name === 'change a status')!
  for (let client = 0; client < 4; client++)
    for (let i = 0; i < 250; i++) seen.add(request(next(client), client).path)
  assert.equal(seen.size, 1000)
  const again = request(next(0), 0)
  assert.ok(seen.has(again.path))
  assert.deepEqual(again.body, { new_status: 'FRAUD' })
  assert.deepEqual(request(0, 0).body, { new_status: 'INVESTIGATED' })
})
