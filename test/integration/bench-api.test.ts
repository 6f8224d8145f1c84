import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureApi } from '../../bench/api.ts'
import { faultOf, renderApi } from '../../bench/api-report.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { servers } from '../harness.ts'

test('every call is answered over a filled table, and its statements run alone', async () => {
  const report = await measureApi({
    rows: 20_000,
    anomalies: 3000,
    accounts: 100,
    clients: 2,
    seconds: 0.4,
    warmUpSeconds: 0,
    settings: { ...loadSettings([], {}), ...servers() },
    progress: () => {},
    signal: new AbortController().signal,
  })
  assert.equal(faultOf(report), null)
  for (const { name, requests_per_second, bare } of report.calls) {
    assert.ok(requests_per_second > 0, name)
    if (name !== 'health/live') assert.ok(bare!.requests_per_second > 0, name)
  }
  assert.ok(report.last_to_first_page.loss.bare > 0)
  assert.match(renderApi(report), /^change 100 statuses /m)
})
