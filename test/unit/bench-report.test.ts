import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Context, median, type Run, renderText, summarise } from '../../bench/report.ts'

const context: Context = {
  records: 1000,
  accounts: 50,
  ids: 'sequential',
  rows_checked: 1000,
  anomalies: 4,
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

const run = (pipeline_tps: number, bare_copy_rps: number): Run => ({
  pipeline_tps,
  bare_copy_rps,
  decode_rps: 600_000,
  copy_table_rps: 300_000,
  pipeline_cpu_us: 6.5,
  order: ['decode', 'bare_copy', 'copy_table', 'pipeline'],
})

test('the median of an odd number of figures is the middle one, of an even number the mean of the two', () => {
  assert.equal(median([9, 100, 10]), 10)
  assert.equal(median([9, 100, 10, 20]), 15)
  assert.equal(median([7]), 7)
})

test('each figure is the median of its runs, and the ratios are of those medians', () => {
  const report = summarise([run(100_000, 500_000), run(120_000, 400_000), run(110_000, 450_000)], context)
  assert.equal(report.pipeline_tps, 110_000)
  assert.equal(report.bare_copy_rps, 450_000)
  assert.equal(report.ratio_to_bare_copy, 0.244)
  assert.equal(report.ratio_to_decode, 0.183)
})

test('without processor times, as off Linux, there is none to report', () => {
  const report = summarise([{ ...run(100_000, 500_000), pipeline_cpu_us: null }], context)
  assert.equal(report.pipeline_cpu_us, null)
  assert.match(renderText(report), /own process: unknown us a transaction/)
})

test('the JSON has the keys that other programs read, and each run', () => {
  const report = JSON.parse(JSON.stringify(summarise([run(100_000, 500_000)], context)))
  for (const key of [
    'pipeline_tps',
    'bare_copy_rps',
    'decode_rps',
    'ratio_to_bare_copy',
    'rows_checked',
    'machine',
    'runs',
  ]) {
    assert.ok(key in report, key)
  }
  assert.equal(report.rows_checked, 1000)
  assert.deepEqual(report.runs, [run(100_000, 500_000)])
})

test('the text has a line a run and one sentence with the ratios, the rows and the machine', () => {
  const text = renderText(summarise([run(100_000, 500_000), run(110_000, 500_000)], context))
  assert.match(text, /^ +1 +100,000 +600,000 +500,000 +300,000 +0\.20$/m)
  assert.match(
    text,
    /^pipeline 105,000 tx\/s = 0\.17 of decode-only consume, 0\.21 of bare COPY \(median of 2, 1,000 rows checked, 2 cores of Some CPU, 24 GiB, linux x64, .*\)$/m,
  )
  assert.match(text, /^Not measured: /m)
})
