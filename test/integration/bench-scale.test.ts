import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureScale } from '../../bench/scale.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { servers } from '../harness.ts'

test('each number of workers and of partitions is measured; of servers not its own no processor time is known', async () => {
  const settings = loadSettings([], { BATCH_MAX_RECORDS: '50', QUEUE_BATCHES: '1' })
  const said: string[] = []
  const report = await measureScale({
    records: 40_000,
    accounts: 200,
    ids: 'sequential',
    runs: 1,
    workers: [1, 2],
    partitions: [2, 4],
    settings: { ...settings, ...servers() },
    progress: (line) => said.push(line),
    signal: new AbortController().signal,
  })
  assert.deepEqual(
    report.scale.map(({ workers, partitions }) => [workers, partitions]),
    [
      [1, 2],
      [2, 2],
      [1, 4],
    ],
  )
  for (const { pipeline_tps, steady_tps, cpu_s_per_million, rss_mb } of report.scale) {
    assert.ok(pipeline_tps > 0 && steady_tps > 0)
    assert.deepEqual([cpu_s_per_million.postgres, cpu_s_per_million.total], [null, null])
    if (process.platform === 'linux') assert.ok(cpu_s_per_million.pipeline! > 0 && rss_mb! > 50)
  }
  assert.deepEqual(report.estimate, [])
  assert.match(said[0], /^Processor times will be too low for 2 workers/)
})
