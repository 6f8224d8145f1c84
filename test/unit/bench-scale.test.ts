import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  estimateFor,
  figuresOf,
  renderScale,
  type ScaleRun,
  summariseScale,
} from '../../bench/scale-report.ts'
import { type CpuTimes, SteadyCpu } from '../../bench/steady-cpu.ts'

const times = (pipeline: number, postgres: number | null = pipeline, kafka = pipeline): CpuTimes => ({
  pipeline,
  postgres,
  kafka,
})

test('rate and processor times are those from a fifth of the records to four fifths', () => {
  const steady = new SteadyCpu(1000)
  let reads = 0
  const look = (stored: number, at: number, cpu: CpuTimes) =>
    steady.look(stored, at, () => {
      reads++
      return cpu
    })
  look(0, 0, times(0))
  look(199, 50, times(900_000))
  look(250, 100, times(1_000_000, 500_000, 100_000))
  look(600, 200, times(5_000_000))
  look(850, 300, times(7_000_000, 2_000_000, 400_000))
  look(1000, 350, times(9_000_000))
  // 600 records in 200 ms; 6 s, 1.5 s and 0.3 s of them.
  assert.deepEqual(steady.figures(), {
    steady_tps: 3000,
    cpu_s_per_million: { pipeline: 10_000, postgres: 2500, kafka: 500, total: 13_000 },
  })
  assert.equal(reads, 2)
})

test('a time that is not known leaves the sum unknown', () => {
  const steady = new SteadyCpu(10)
  steady.look(5, 0, () => times(0, null))
  steady.look(10, 10, () => times(50, null))
  assert.deepEqual(steady.figures().cpu_s_per_million, {
    pipeline: 10,
    postgres: null,
    kafka: 10,
    total: null,
  })
})

test('records that are all stored between two looks are too few', () => {
  const steady = new SteadyCpu(10)
  steady.look(10, 10, () => times(50))
  assert.throws(() => steady.figures(), /take more --records/)
})

const run = (steady_tps: number, [pipeline, postgres, kafka]: number[]): ScaleRun => ({
  pipeline_tps: steady_tps - 10_000,
  steady_tps,
  cpu_s_per_million: { pipeline, postgres, kafka, total: pipeline + postgres + kafka },
  rss_mb: 300,
  peak_rss_mb: 400,
})

const one = figuresOf([run(100_000, [5, 6, 1]), run(120_000, [6, 7, 2]), run(110_000, [7, 8, 3])], {
  workers: 1,
  partitions: 6,
})
const two = figuresOf([run(130_000, [7, 8, 3])], { workers: 2, partitions: 6 })

test('each figure is the median of its runs', () => {
  assert.deepEqual([one.pipeline_tps, one.steady_tps], [100_000, 110_000])
  assert.deepEqual(one.cpu_s_per_million, { pipeline: 6, postgres: 7, kafka: 2, total: 15 })
})

test('an estimate is the processor time of the rate, on cores that are 70 % busy', () => {
  // 100,000/s x 6 us = 0.6 cores.
  assert.deepEqual(estimateFor(100_000, one), {
    tps: 100_000,
    pipeline: 0.9,
    postgres: 1,
    kafka: 0.3,
    workers: 1,
  })
  assert.equal(estimateFor(500_000, one)!.workers, 5)
  const unknown = { ...one, cpu_s_per_million: { ...one.cpu_s_per_million, kafka: null } }
  assert.equal(estimateFor(100_000, unknown), null)
})

const context = {
  records: 1000,
  accounts: 50,
  ids: 'sequential' as const,
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

test('how well the estimate carries over is told by the line that is farthest from the first', () => {
  assert.equal(summariseScale([one, two], context).cpu_deviation, 0.2)
  assert.equal(summariseScale([two, one], context).cpu_deviation, 0.167)
  assert.equal(summariseScale([one], context).cpu_deviation, 0)
})

test('without the servers’ processor times there is no estimate, and the text says so', () => {
  const unknown = { pipeline: 6, postgres: null, kafka: null, total: null }
  const report = summariseScale([{ ...one, cpu_s_per_million: unknown }, two], context)
  assert.deepEqual([report.cpu_deviation, report.estimate], [null, []])
  assert.match(renderScale(report), /unknown.*\n[\s\S]*known on Linux, of servers that were started here/)
})

test('the text has a line for each measurement, and the cores for each rate', () => {
  const text = renderScale(summariseScale([one, two], context))
  assert.match(text, /^ *1 +6 +100,000 +110,000 +15\.00 +6\.00 +7\.00 +2\.00 +300 MB +400 MB$/m)
  assert.match(text, /^ *100,000 +0\.9 +1 +0\.3 +1$/m)
  assert.match(text, /within 20 % of the first one/)
})
