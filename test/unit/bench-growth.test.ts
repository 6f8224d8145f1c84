import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { bytesNeeded, requireSpace } from '../../bench/disk-space.ts'
import { roomBefore } from '../../bench/earlier-rows.ts'
import {
  type GrowthReport,
  type PipelineFigures,
  renderGrowth,
  summariseAccounts,
  summariseSize,
} from '../../bench/growth-report.ts'
import { transactions } from '../../bench/workload.ts'

const figures = (pipeline_tps: number, rss_mb: number | null = 300): PipelineFigures => ({
  pipeline_tps,
  pipeline_cpu_us: 6.5,
  rss_mb,
  peak_rss_mb: rss_mb === null ? null : rss_mb + 20,
  anomalies: 7,
})

const pairs = [
  { empty: figures(100_000), grown: figures(90_000) },
  { empty: figures(120_000), grown: figures(95_000, 310) },
  { empty: figures(110_000), grown: figures(100_000, 290) },
]

test('a size has the medians of its runs, and the ratio is to those over an empty table beside them', () => {
  const size = summariseSize(pairs, { ids: 'uuid', rows: 1000, database_mb: 5 })
  assert.equal(size.pipeline_tps, 95_000)
  assert.equal(size.empty_tps, 110_000)
  assert.equal(size.ratio_to_empty, 0.864)
  assert.deepEqual([size.ids, size.rows, size.pipeline_cpu_us], ['uuid', 1000, 6.5])
})

test('memory is the median at the end, and the most of any run', () => {
  const found = summariseAccounts([figures(1, 300), figures(1, 500), figures(1, 310)], {
    accounts: 5,
    records: 10,
  })
  assert.deepEqual([found.rss_mb, found.peak_rss_mb], [310, 520])
  const unknown = summariseAccounts([figures(1, null)], { accounts: 5, records: 10 })
  assert.deepEqual([unknown.rss_mb, unknown.peak_rss_mb], [null, null])
})

test('the text has a line for each size and each number of accounts', () => {
  const report: GrowthReport = {
    growth: [summariseSize(pairs, { ids: 'sequential', rows: 10_000_000, database_mb: 4100 })],
    accounts: [summariseAccounts([figures(80_000, 900)], { accounts: 1_000_000, records: 1_000_000 })],
    records: 500_000,
    runs: 3,
    lanes: 3,
    machine: {
      platform: 'linux x64',
      cores: 2,
      cpu: 'Some CPU',
      memory_gib: 24,
      node: '24.21.0',
      postgres: '18.4',
      kafka: '4.1.1',
      load_before: 0.5,
    },
  }
  const text = renderGrowth(report)
  assert.match(text, /^ *sequential +10,000,000 +4,100 MB +95,000 +6\.50 +300 MB +330 MB +110,000 +0\.86$/m)
  assert.match(text, /^ *1,000,000 +1,000,000 +80,000 +6\.50 +900 MB +920 MB$/m)
  assert.doesNotMatch(renderGrowth({ ...report, growth: [] }), /rows before/)
})

test('earlier rows have the month up to the first transaction', () => {
  const workload = { records: 5000, accounts: 500, ids: 'sequential' } as const
  const { from, to } = roomBefore(workload)
  const first = transactions(workload).next().value
  assert.equal(new Date(from).toISOString(), '2025-12-01T00:00:00.000Z')
  assert.ok(first.timestamp >= to && first.timestamp < to + 86_400_000)
  // What earlier ids begin with: as wide as the workload's, and before them.
  assert.equal(first.transaction_id, `tx-1-${to.toString(36)}-000000001`)
})

test('records that take up their whole month leave no room, and it says what to do', () => {
  assert.throws(() => roomBefore({ records: 100_000, accounts: 1000 }), /fewer records, or more accounts/)
})

test('a disk that is too small is told with what is missing, before anything is filled', () => {
  requireSpace(tmpdir(), 0)
  assert.ok(bytesNeeded(50_000_000) > 40e9)
  assert.throws(() => requireSpace(tmpdir(), 1e12), /1,000,000,000,000 rows .* GB are missing/)
})
