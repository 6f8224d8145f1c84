import { type Machine, machineInWords } from './machine.ts'
import { median, medianCpu } from './report.ts'
import { PARTS, type SteadyFigures } from './steady-cpu.ts'
import type { Workload } from './workload.ts'

export interface ScaleRun extends SteadyFigures {
  /** Over the whole run, its start included. */
  pipeline_tps: number
  /** Of all the pipeline's processes, when the last record was stored; MiB, null off Linux. */
  rss_mb: number | null
  peak_rss_mb: number | null
}

/** Medians, and the runs. */
export interface ScaleFigures extends ScaleRun {
  workers: number
  partitions: number
  runs: ScaleRun[]
}

interface ScaleContext extends Workload {
  runs: number
  lanes: number
  machine: Machine
}

export interface ScaleReport extends ScaleContext {
  scale: ScaleFigures[]
  /**
   * The check of the estimate: by how much the processor time of a million is at most away from that of the first line,
   * as a share; null where it is not known.
   */
  cpu_deviation: number | null
  /** By the first line: what a rate takes. */
  estimate: Estimate[]
}

/** Cores, each at most {@link BUSY} busy. */
export interface Estimate extends Record<(typeof PARTS)[number], number> {
  tps: number
  /** Processes of the pipeline: the least that such a rate needs. */
  workers: number
}

/** A core that is busier makes the next record wait, and leaves nothing for catching up. */
const BUSY = 0.7
const RATES = [50_000, 100_000, 200_000, 500_000]

/** @param runs at least one */
export function figuresOf(
  runs: ScaleRun[],
  context: Pick<ScaleFigures, 'workers' | 'partitions'>,
): ScaleFigures {
  const of = (name: 'pipeline_tps' | 'steady_tps') => Math.round(median(runs.map((run) => run[name])))
  const cpu = (part: keyof ScaleRun['cpu_s_per_million']) =>
    medianCpu(runs.map((run) => run.cpu_s_per_million[part]))
  return {
    ...context,
    pipeline_tps: of('pipeline_tps'),
    steady_tps: of('steady_tps'),
    cpu_s_per_million: {
      pipeline: cpu('pipeline'),
      postgres: cpu('postgres'),
      kafka: cpu('kafka'),
      total: cpu('total'),
    },
    rss_mb: medianCpu(runs.map((run) => run.rss_mb)),
    peak_rss_mb: medianCpu(runs.map((run) => run.peak_rss_mb)),
    runs,
  }
}

/** @param scale at least one, the first of which is the measure of the others */
export function summariseScale(scale: ScaleFigures[], context: ScaleContext): ScaleReport {
  const [first, ...others] = scale.map((figures) => figures.cpu_s_per_million.total)
  const deviations = others.map((total) =>
    total === null || first === null ? null : Math.abs(total / first - 1),
  )
  return {
    ...context,
    scale,
    cpu_deviation: deviations.includes(null)
      ? null
      : Number(Math.max(0, ...(deviations as number[])).toFixed(3)),
    estimate: RATES.flatMap((tps) => estimateFor(tps, scale[0]) ?? []),
  }
}

/** What a rate takes by the processor time of a million; null where that is not known. */
export function estimateFor(
  tps: number,
  { cpu_s_per_million: cpu }: Pick<ScaleFigures, 'cpu_s_per_million'>,
): Estimate | null {
  const cores = (seconds: number) => Number(((tps * seconds) / 1e6 / BUSY).toFixed(1))
  const { pipeline, postgres, kafka } = cpu
  if (pipeline === null || postgres === null || kafka === null) return null
  return {
    tps,
    pipeline: cores(pipeline),
    postgres: cores(postgres),
    kafka: cores(kafka),
    // Nearly all of a worker's time is one thread's.
    workers: Math.ceil(cores(pipeline)),
  }
}

/** For people: a table of what was measured, the estimate from it, and what they do not say. */
export function renderScale(report: ScaleReport): string {
  const { scale, estimate, cpu_deviation, records, accounts, ids, runs, lanes, machine } = report
  const header = ['workers', 'partitions', 'tx/s', 'steady', 'CPU s/million', ...PARTS, 'resident', 'at most']
  const lines = scale.map((figures) => [
    String(figures.workers),
    String(figures.partitions),
    number(figures.pipeline_tps),
    number(figures.steady_tps),
    seconds(figures.cpu_s_per_million.total),
    ...PARTS.map((part) => seconds(figures.cpu_s_per_million[part])),
    megabytes(figures.rss_mb),
    megabytes(figures.peak_rss_mb),
  ])
  const estimates = estimate.map(({ tps, pipeline, postgres, kafka, workers }) => [
    number(tps),
    String(pipeline),
    String(postgres),
    String(kafka),
    String(workers),
  ])
  return [
    ...table([header, ...lines]),
    '',
    ...(estimates.length === 0
      ? []
      : [
          `Estimate, by the first line: cores for a rate, each ${BUSY * 100} % busy.`,
          ...table([['tx/s', ...PARTS.map((part) => `${part} cores`), 'workers'], ...estimates]),
          '',
        ]),
    cpu_deviation === null
      ? 'Processor times are known on Linux, of servers that were started here.'
      : `All lines lie within ${(cpu_deviation * 100).toFixed(0)} % of the first one in CPU seconds for a million.`,
    `Medians of ${runs}; ${number(records)} records of ${number(accounts)} accounts, ids ${ids}, ${lanes} lanes a worker; ` +
      `${machineInWords(machine)}; load before: ${machine.load_before}.`,
    'Steady, and processor times: from a fifth of the records to four fifths. All share the cores here: beyond them more workers bring no higher rate, ' +
      'and what carries over to more cores is the processor time. See bench/README.md.',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  return rows.map((cells) => cells.map((cell, c) => cell.padStart(widths[c])).join('  '))
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const seconds = (value: number | null): string => value?.toFixed(2) ?? 'unknown'
const megabytes = (value: number | null): string => (value === null ? 'unknown' : `${number(value)} MB`)
