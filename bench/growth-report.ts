import { type Machine, machineInWords } from './machine.ts'
import { median, medianCpu } from './report.ts'
import type { Workload } from './workload.ts'

/** Of one run, or the medians of several. Memory is the pipeline's, MiB; it and processor time are null off Linux. */
export interface PipelineFigures {
  pipeline_tps: number
  pipeline_cpu_us: number | null
  /** When the last record was stored. */
  rss_mb: number | null
  peak_rss_mb: number | null
  anomalies: number
}

/** The same records over an empty table and over one that has grown. */
export interface SizeRun {
  empty: PipelineFigures
  grown: PipelineFigures
}

export interface GrowthFigures extends PipelineFigures {
  ids: Workload['ids']
  /** In the table before. */
  rows: number
  /** Beside these runs. */
  empty_tps: number
  /** Of the medians. */
  ratio_to_empty: number
  /** Before the run, indexes and all. */
  database_mb: number
  runs: SizeRun[]
}

export interface AccountsFigures extends PipelineFigures {
  accounts: number
  records: number
  runs: PipelineFigures[]
}

export interface GrowthReport {
  growth: GrowthFigures[]
  accounts: AccountsFigures[]
  records: number
  runs: number
  lanes: number
  machine: Machine
}

/** @param runs at least one */
export function summariseSize(
  runs: SizeRun[],
  context: Pick<GrowthFigures, 'ids' | 'rows' | 'database_mb'>,
): GrowthFigures {
  const figures = medians(runs.map(({ grown }) => grown))
  const empty_tps = Math.round(median(runs.map(({ empty }) => empty.pipeline_tps)))
  const ratio_to_empty = Number((figures.pipeline_tps / empty_tps).toFixed(3))
  return { ...context, ...figures, empty_tps, ratio_to_empty, runs }
}

/** @param runs at least one */
export const summariseAccounts = (
  runs: PipelineFigures[],
  context: Pick<AccountsFigures, 'accounts' | 'records'>,
): AccountsFigures => ({ ...context, ...medians(runs), runs })

function medians(runs: PipelineFigures[]): PipelineFigures {
  return {
    pipeline_tps: Math.round(median(runs.map((run) => run.pipeline_tps))),
    pipeline_cpu_us: medianCpu(runs.map((run) => run.pipeline_cpu_us)),
    rss_mb: medianCpu(runs.map((run) => run.rss_mb)),
    // The least that a limit must leave: no median.
    peak_rss_mb: highest(runs.map((run) => run.peak_rss_mb)),
    anomalies: runs[0].anomalies,
  }
}

function highest(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : Math.max(...known)
}

/** For people: a table of the sizes, one of the accounts, and what they do not say. */
export function renderGrowth(report: GrowthReport): string {
  const { growth, accounts, records, runs, lanes, machine } = report
  const figures = (f: PipelineFigures) => [
    number(f.pipeline_tps),
    f.pipeline_cpu_us?.toFixed(2) ?? 'unknown',
    megabytes(f.rss_mb),
    megabytes(f.peak_rss_mb),
  ]
  const columns = ['tx/s', 'us each', 'resident', 'at most']
  const sizes = growth.map((size) => [
    size.ids,
    number(size.rows),
    megabytes(size.database_mb),
    ...figures(size),
    number(size.empty_tps),
    size.ratio_to_empty.toFixed(2),
  ])
  const counts = accounts.map((count) => [number(count.accounts), number(count.records), ...figures(count)])
  return [
    ...(sizes.length === 0
      ? []
      : [
          ...table([['ids', 'rows before', 'database', ...columns, 'empty: tx/s', 'of empty'], ...sizes]),
          '',
        ]),
    ...(counts.length === 0 ? [] : [...table([['accounts', 'records', ...columns], ...counts]), '']),
    `Medians of ${runs}; ${number(records)} records a run, ${lanes} lanes; ${machineInWords(machine)}; load before: ` +
      `${machine.load_before}.`,
    "us each: processor time of the pipeline's own processes for a transaction; resident, at most: their memory when " +
      'the last record was stored, and the most it ever was in any run. Each run over rows is beside one over an empty ' +
      'table. Not measured: an autovacuum at work, analysts who read meanwhile. See bench/README.md.',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  return rows.map((cells) => cells.map((cell, c) => cell.padStart(widths[c])).join('  '))
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const megabytes = (value: number | null): string => (value === null ? 'unknown' : `${number(value)} MB`)
