import type { LatencySent } from './latency-sender.ts'
import { type Machine, machineInWords } from './machine.ts'
import { median, medianCpu } from './report.ts'

/** Single records through a pipeline that does nothing else. */
export interface Idle {
  records: number
  p50_ms: number
  p99_ms: number
  max_ms: number
}

/** One rate, once. Latencies are from the time that a record was due to its commit. */
export interface RateRun extends LatencySent {
  /** Records a second that are due. */
  rate: number
  seconds: number
  /** Those that count. */
  records: number
  p50_ms: number
  p99_ms: number
  p999_ms: number
  max_ms: number
  /** Seconds of the measurement, from 0 on, the one with the highest latency first. */
  slowest_seconds: { second: number; p50_ms: number; max_ms: number }[]
  /** Processor time of the pipeline's own process for each transaction, microseconds; null off Linux, and with WORKERS. */
  pipeline_cpu_us: number | null
}

/** Medians of the runs; of `max_ms` the highest. */
export interface RateFigures extends Omit<RateRun, 'slowest_seconds'> {
  /** p50_ms, divided by the idle single record's. */
  times_idle_p50: number
}

export interface LatencyContext {
  seconds: number
  warm_up_seconds: number
  accounts: number
  lanes: number
  partitions: number
  machine: Machine
}

export interface LatencyReport extends LatencyContext {
  idle: Idle
  rates: RateFigures[]
  /** All that was measured, in its order. */
  runs: RateRun[]
}

const MEDIANS = [
  'sent_rate',
  'sender_late_p99_ms',
  'acknowledged_p50_ms',
  'acknowledged_p99_ms',
  'p50_ms',
  'p99_ms',
  'p999_ms',
] as const

/** @param runs at least one of each rate */
export function summariseLatency(idle: Idle, runs: RateRun[], context: LatencyContext): LatencyReport {
  const rates = [...new Set(runs.map(({ rate }) => rate))].map((rate): RateFigures => {
    const own = runs.filter((run) => run.rate === rate)
    const { slowest_seconds: _, ...figures } = own[0]
    for (const name of MEDIANS) figures[name] = rounded(median(own.map((run) => run[name])))
    return {
      ...figures,
      max_ms: rounded(Math.max(...own.map(({ max_ms }) => max_ms))),
      pipeline_cpu_us: medianCpu(own.map(({ pipeline_cpu_us }) => pipeline_cpu_us)),
      times_idle_p50: Number((figures.p50_ms / idle.p50_ms).toFixed(2)),
    }
  })
  return { idle, rates, ...context, runs }
}

const rounded = (value: number): number => Number(value.toFixed(3))

/** For people: a table of the rates, a sentence on the idle record, and what it does not say. */
export function renderLatency(report: LatencyReport): string {
  const { idle, rates, runs, seconds, warm_up_seconds, machine } = report
  const header = [
    'due/s',
    'sent/s',
    'sent late p99',
    'in Kafka p50',
    'p99',
    'stored p50',
    'p99',
    'p99.9',
    'max',
    'of idle',
    'cpu/tx',
  ]
  const row = (r: RateFigures) => [
    number(r.rate),
    number(r.sent_rate),
    ms(r.sender_late_p99_ms),
    ms(r.acknowledged_p50_ms),
    ms(r.acknowledged_p99_ms),
    ms(r.p50_ms),
    ms(r.p99_ms),
    ms(r.p999_ms),
    ms(r.max_ms),
    `${r.times_idle_p50.toFixed(2)} x`,
    r.pipeline_cpu_us === null ? 'unknown' : `${r.pipeline_cpu_us.toFixed(1)} us`,
  ]
  const times = runs.length / rates.length
  return [
    ...table([header, ...rates.map(row)]),
    '',
    `A single record through the idle pipeline: ${ms(idle.p50_ms)} (median of ${idle.records}), p99 ` +
      `${ms(idle.p99_ms)}, max ${ms(idle.max_ms)} (${machineInWords(machine)})`,
    '',
    `From the time that a record was due, which is its timestamp, to the first look (every 2 ms) at the positions that ` +
      `shows it stored: open loop, so what is sent late counts as late. ${number(seconds)} s at each rate, after ` +
      `${number(warm_up_seconds)} s that do not count${times > 1 ? `; medians of ${times} runs, the highest max` : ''}; ` +
      'all rows counted. In Kafka: from the same time to the acknowledgement. Of idle: the medians.',
    `Load before: ${machine.load_before}. Not measured: a network between the machines, a table that has grown, ` +
      'event times as close as the records. Kafka, PostgreSQL, sender and Node share the cores here. See ' +
      'bench/README.md.',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  return rows.map((cells) => cells.map((cell, c) => cell.padStart(widths[c])).join('  '))
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const ms = (value: number): string => `${value.toFixed(1)} ms`
