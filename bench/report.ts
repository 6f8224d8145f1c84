import { writeFileSync } from 'node:fs'
import { type Machine, machineInWords } from './machine.ts'
import type { Workload } from './workload.ts'

export type Measured = 'decode' | 'bare_copy' | 'copy_table' | 'pipeline'

/** One round: each figure once, in records a second. */
export interface Run {
  pipeline_tps: number
  bare_copy_rps: number
  decode_rps: number
  /** COPY alone, into the table with its indexes, by as many connections as lanes. */
  copy_table_rps: number
  /** Processor time of the pipeline's own process for each transaction, microseconds; null off Linux. */
  pipeline_cpu_us: number | null
  /** The order in which they were measured. */
  order: Measured[]
}

export interface Report extends Omit<Run, 'order'>, Workload {
  /** Of the medians. */
  ratio_to_bare_copy: number
  ratio_to_decode: number
  ratio_to_copy_table: number
  /** Rows counted in the pipeline's table after each run. */
  rows_checked: number
  anomalies: number
  lanes: number
  machine: Machine
  runs: Run[]
}

export type Context = Pick<Report, 'rows_checked' | 'anomalies' | 'lanes' | 'machine'> & Workload

const FIGURES = ['pipeline_tps', 'decode_rps', 'bare_copy_rps', 'copy_table_rps'] as const

/** @param runs at least one */
export function summarise(runs: Run[], context: Context): Report {
  const figures = Object.fromEntries(
    FIGURES.map((name) => [name, Math.round(median(runs.map((run) => run[name])))]),
  ) as Record<(typeof FIGURES)[number], number>
  const ratioTo = (name: (typeof FIGURES)[number]) => rounded(figures.pipeline_tps / figures[name], 3)
  return {
    ...figures,
    pipeline_cpu_us: medianCpu(runs.map((run) => run.pipeline_cpu_us)),
    ratio_to_bare_copy: ratioTo('bare_copy_rps'),
    ratio_to_decode: ratioTo('decode_rps'),
    ratio_to_copy_table: ratioTo('copy_table_rps'),
    ...context,
    runs,
  }
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Of those that are known; null when none is. */
export function medianCpu(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : rounded(median(known), 2)
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** For people: a table of the runs, one sentence, and what it does not say. */
export function renderText(report: Report): string {
  const { runs, lanes } = report
  const columns = ['run', 'pipeline', 'decode-only', 'bare COPY', 'COPY, indexes', 'of bare COPY']
  const row = (name: string, r: Record<(typeof FIGURES)[number], number>) => [
    name,
    ...FIGURES.map((figure) => number(r[figure])),
    (r.pipeline_tps / r.bare_copy_rps).toFixed(2),
  ]
  const rows = [columns, ...runs.map((r, i) => row(String(i + 1), r)), row('median', report)]
  const widths = columns.map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  const table = rows.map((cells) =>
    cells
      .map((cell, c) => cell.padStart(widths[c]))
      .join('  ')
      .trimEnd(),
  )
  return [
    ...table,
    '',
    `pipeline ${number(report.pipeline_tps)} tx/s = ${report.ratio_to_decode.toFixed(2)} of decode-only consume, ` +
      `${report.ratio_to_bare_copy.toFixed(2)} of bare COPY (median of ${runs.length}, ` +
      `${number(report.rows_checked)} rows checked, ${machineInWords(report.machine)})`,
    '',
    `Records a second: ${number(report.records)} records of ${number(report.accounts)} accounts, ids ${report.ids}, ` +
      `${number(report.anomalies)} anomalies; load before: ${report.machine.load_before}; processor time of the ` +
      `pipeline's own process: ${report.pipeline_cpu_us ?? 'unknown'} us a transaction.`,
    "Pipeline: everything on, from the taking of the partitions to the last record's COMMIT; the start of the process " +
      'is left out. Decode-only: fetch and decode in a process that does nothing else. Bare COPY: the same rows, ' +
      'encoded beforehand, one connection, a logged table without indexes. COPY, indexes: the same rows into the real ' +
      `table, ${lanes} ${lanes === 1 ? 'connection' : 'connections'}.`,
    'Not measured: producing, latency, duplicates and dead letters, a table that has grown, restarts, a network ' +
      'between the machines. Kafka, PostgreSQL and Node share the cores here. See bench/README.md.',
  ].join('\n')
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')

export function writeReport(file: string, report: object): void {
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}
