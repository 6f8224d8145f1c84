import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mixOf } from '../../bench/serving-mix.ts'
import { faultOf, type Phase, renderServing, summariseServing } from '../../bench/serving-report.ts'
import { HOST } from '../support/host.ts'

const phase = (kind: Phase['kind'], ingested_tps: number, errors?: number): Phase => ({
  kind,
  ingested_tps,
  p50_ms: 10,
  p99_ms: 40,
  served: errors === undefined ? null : { requests_per_second: 498.5, p50_ms: 3, p99_ms: 25, errors },
})
const context = {
  rows: 10_000_000,
  anomalies: 1_000_000,
  accounts: 50_000,
  clients: 10,
  rate: 50_000,
  requests: 500,
  seconds: 20,
  warm_up_seconds: 10,
  rest_seconds: 30,
  mix: 'half of this, half of that',
  host: HOST,
  postgres: '18.4',
}

test('what is kept beside calls is told of the mean of both phases alone', () => {
  const report = summariseServing(
    [phase('alone', 50_000), phase('beside', 45_000, 0), phase('alone', 40_000)],
    context,
  )
  assert.equal(report.kept, 1)
  const text = renderServing(report)
  assert.match(text, /^beside +45,000 +10\.0 +40\.0 +499 +3\.0 +25\.0$/m)
  assert.match(text, /^alone +40,000 +10\.0 +40\.0$/m)
  assert.equal(faultOf(report), null)
  assert.match(faultOf({ phases: [phase('beside', 1, 2)] })!, /^2 calls/)
})

test('twenty calls in turn are the mix, and no two clients change the same anomaly', () => {
  const { request } = mixOf({ rows: 10_000, anomalies: 1000, accounts: 10, clients: 4 })
  for (const client of [0, 1, 2, 3]) {
    const all = Array.from({ length: 20 }, (_, n) => request(n, client))
    const paths = all.map(({ method, path }) => `${method} ${path}`)
    const count = (pattern: RegExp) => paths.filter((path) => pattern.test(path)).length
    assert.deepEqual(
      [/^GET .*\/an-/, /timeline|\/transactions\?/, /status=NEW/, /^PUT /, /live/].map(count),
      [8, 4, 4, 3, 1],
    )
  }
  const changed = [0, 1, 2, 3].map(
    (client) =>
      new Set(
        Array.from({ length: 2000 }, (_, n) => request(n, client))
          .filter(({ method }) => method === 'PUT')
          .map(({ path }) => path),
      ),
  )
  assert.equal(
    changed.reduce((all, one) => all.union(one)).size,
    changed.reduce((sum, { size }) => sum + size, 0),
  )
})
