import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureStream } from '../../bench/stream.ts'
import { faultOf, renderStream } from '../../bench/stream-report.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { servers } from '../harness.ts'

test('of many clients those that never read are cut off, the others get everything, and memory is bounded', async () => {
  const report = await measureStream({
    clients: 24,
    idle: 4,
    events: 600,
    rate: 200,
    // More than the sockets of those that do not read hold in the end.
    eventBytes: 30_000,
    settings: { ...loadSettings([], {}), ...servers() },
    progress: () => {},
    signal: new AbortController().signal,
  })
  assert.equal(faultOf(report), null)
  assert.equal(report.complete, 20)
  assert.equal(report.dropped - report.comebacks, 4)
  assert.ok(report.delivery_p50_ms > 0)
  // 18 MB went to each of 20 clients.
  assert.ok(report.peak_rss_mb - report.rss_before_mb < 200, JSON.stringify(report))
  assert.match(renderStream(report), /^20 of 20 clients that read got everything in order/m)
  assert.match(faultOf({ ...report, complete: 19 })!, /1 of 20 clients/)
})
