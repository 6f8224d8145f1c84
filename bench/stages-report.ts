import { type Host, hostInWords } from './machine.ts'
import { median } from './report.ts'

/** Microseconds of processor time: for each transaction of a batch, of `explain_` for each anomaly; null without any. */
export interface Sample {
  decode_us: number
  features_us: number
  rules_us: number
  isolation_forest_us: number
  boosted_trees_us: number
  encode_us: number
  explain_isolation_forest_us: number | null
  explain_boosted_trees_us: number | null
  anomalies: number
}

/** After the month. */
export interface Memory {
  transactions: number
  /** Those that made a purchase. */
  accounts_seen: number
  /** Bytes that the state says it holds from the system. */
  state_bytes: number
  /** Bytes by which V8's heap in use has grown: the accounts' ids. */
  heap_bytes: number
}

export interface StagesContext {
  accounts: number
  records: number
  memory: Memory
  host: Host
}

/** Medians over the batches. */
export interface StagesReport extends Sample, StagesContext {
  state_bytes_per_account: number
  heap_bytes_per_account: number
  /** Batches that were measured after those that warmed up. */
  batches: number
}

/** So many of the batches, the first ones, are left out: the compiler is at work. */
const WARM_UP = 1 / 3

/** @param samples of the batches in their order, at least one */
export function summariseStages(samples: Sample[], context: StagesContext): StagesReport {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP))
  const of = (name: keyof Sample) => medianOf(warm.map((sample) => sample[name])) as number
  const { memory } = context
  return {
    decode_us: of('decode_us'),
    features_us: of('features_us'),
    rules_us: of('rules_us'),
    isolation_forest_us: of('isolation_forest_us'),
    boosted_trees_us: of('boosted_trees_us'),
    encode_us: of('encode_us'),
    explain_isolation_forest_us: medianOf(warm.map((sample) => sample.explain_isolation_forest_us)),
    explain_boosted_trees_us: medianOf(warm.map((sample) => sample.explain_boosted_trees_us)),
    anomalies: warm.reduce((sum, sample) => sum + sample.anomalies, 0),
    state_bytes_per_account: Math.round(memory.state_bytes / memory.accounts_seen),
    heap_bytes_per_account: Math.round(memory.heap_bytes / memory.accounts_seen),
    batches: warm.length,
    ...context,
  }
}

/** Of those that there are; null if there is none. */
function medianOf(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Number(median(known).toFixed(3))
}

const LINES = [
  ['decode', 'decode_us'],
  ['features', 'features_us'],
  ['rules', 'rules_us'],
  ['model: isolation forest', 'isolation_forest_us'],
  ['model: boosted trees, 100 x 15', 'boosted_trees_us'],
  ['encode', 'encode_us'],
] as const

/** For people: a table of the stages, the memory, and what they do not say. */
export function renderStages(report: StagesReport): string {
  const { memory, host } = report
  const width = Math.max(...LINES.map(([name]) => name.length))
  return [
    ...LINES.map(
      ([name, key]) => `${name.padEnd(width)}  ${report[key].toFixed(2).padStart(6)} us a transaction`,
    ),
    '',
    `Explaining an anomaly: ${us(report.explain_isolation_forest_us)} with the isolation forest, ` +
      `${us(report.explain_boosted_trees_us)} with the boosted trees.`,
    `${number(memory.accounts_seen)} accounts after a month of ${number(memory.transactions)} transactions: ` +
      `${number(report.state_bytes_per_account)} bytes an account, and ` +
      `${number(report.heap_bytes_per_account)} for their ids.`,
    '',
    `Processor time, median of ${number(report.batches)} batches with ${number(report.anomalies)} anomalies ` +
      `(${hostInWords(host)}; load before: ${host.load_before}). A third of the ${number(report.records)} records ` +
      'was left out, to warm up.',
    'One thread, no servers: fetching, COPY and garbage that others left are not in it. The boosted trees were made in ' +
      'the run: they tell nothing, and take as long as trained ones of that size. See bench/README.md.',
  ].join('\n')
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const us = (value: number | null): string => (value === null ? 'not measured' : `${value.toFixed(1)} us`)
