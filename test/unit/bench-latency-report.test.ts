import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Idle,
  type LatencyContext,
  type RateRun,
  renderLatency,
  summariseLatency,
} from '../../bench/latency-report.ts'

const context: LatencyContext = {
  seconds: 60,
  warm_up_seconds: 5,
  accounts: 50_000,
  lanes: 3,
  partitions: 6,
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

const idle: Idle = { records: 50, p50_ms: 5, p99_ms: 9, max_ms: 9.5 }

const run = (rate: number, p50: number, max = 90): RateRun => ({
  rate,
  seconds: 60,
  records: rate * 60,
  sent_rate: rate,
  sender_late_p99_ms: 6,
  acknowledged_p50_ms: 4,
  acknowledged_p99_ms: 12,
  p50_ms: p50,
  p99_ms: 4 * p50,
  p999_ms: 8 * p50,
  max_ms: max,
  slowest_seconds: [],
  pipeline_cpu_us: 20.5,
})

test('each rate is told by itself, its median as a multiple of the single record through the idle pipeline', () => {
  const { rates } = summariseLatency(idle, [run(1000, 7.5), run(20_000, 10)], context)
  assert.deepEqual(
    rates.map(({ rate, p50_ms, times_idle_p50 }) => [rate, p50_ms, times_idle_p50]),
    [
      [1000, 7.5, 1.5],
      [20_000, 10, 2],
    ],
  )
})

test('of several runs the medians are told, but the highest of the highest latencies', () => {
  const runs = [run(1000, 6, 50), run(1000, 10, 300), run(1000, 7, 60)]
  const { rates, runs: all } = summariseLatency(idle, runs, context)
  assert.equal(rates.length, 1)
  assert.deepEqual([rates[0].p50_ms, rates[0].p99_ms, rates[0].max_ms], [7, 28, 300])
  assert.equal(rates[0].times_idle_p50, 1.4)
  assert.deepEqual(all, runs)
})

test('the JSON has the keys that other programs read', () => {
  const report = JSON.parse(JSON.stringify(summariseLatency(idle, [run(20_000, 10)], context)))
  assert.deepEqual(report.idle, idle)
  assert.equal(report.machine.cores, 2)
  const expected = {
    rate: 20_000,
    seconds: 60,
    records: 1_200_000,
    sent_rate: 20_000,
    sender_late_p99_ms: 6,
    p50_ms: 10,
    p99_ms: 40,
    p999_ms: 80,
    max_ms: 90,
    times_idle_p50: 2,
    pipeline_cpu_us: 20.5,
  }
  for (const [key, value] of Object.entries(expected)) assert.equal(report.rates[0][key], value, key)
})

test('the text has a line a rate, a sentence on the idle record, and what did not count', () => {
  const text = renderLatency(summariseLatency(idle, [run(1000, 7.5), run(20_000, 10)], context))
  assert.match(
    text,
    /^20,000 +20,000 +6\.0 ms +4\.0 ms +12\.0 ms +10\.0 ms +40\.0 ms +80\.0 ms +90\.0 ms +2\.00 x +20\.5 us$/m,
  )
  assert.match(text, /^A single record through the idle pipeline: 5\.0 ms \(median of 50\), p99 9\.0 ms/m)
  assert.match(text, /60 s at each rate, after 5 s that do not count; all rows counted/)
})

test('without a processor time the text says so', () => {
  const text = renderLatency(summariseLatency(idle, [{ ...run(1000, 7), pipeline_cpu_us: null }], context))
  assert.match(text, /unknown$/m)
})
