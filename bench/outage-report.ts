import { type Machine, machineInWords } from './machine.ts'
import type { PhaseFacts } from './process-watch.ts'

const PHASES = ['before', 'away', 'catching up'] as const
export type Phase = (typeof PHASES)[number]

/** What was asked for, and where. */
export interface OutageContext {
  seed: number
  /** Records sent while PostgreSQL was away. */
  records: number
  accounts: number
  /** The limit of V8's heap, old and young generation together. */
  heap_mb: number
  lanes: number
  partitions: number
  machine: Machine
}

/** What was measured. */
export interface Outage {
  phases: Record<Phase, PhaseFacts>
  /** The most that was ever resident, by the kernel's count. */
  peak_rss_mb: number
  /** Records a second that came before the outage, and that were stored. */
  input_before: number
  tps_before: number
  /** Records a second that came during the outage. */
  input_away: number
  /** From the end of PostgreSQL's process until it answered again. */
  seconds_away: number
  /** Lines that the pipeline logged in that time. */
  log_lines_away: number
  /** Records that waited when PostgreSQL answered again. */
  backlog: number
  /** From PostgreSQL's first answer to the first look that saw a position moved. */
  first_commit_after_s: number
  /** From then on to the last record's commit. */
  catch_up_seconds: number
  catch_up_tx_per_second: number
  /** Processor time of the pipeline's own process for each transaction of the catch-up, microseconds. */
  catch_up_cpu_us: number | null
}

/** Counted at the end. */
export interface Ledger {
  acknowledged: number
  dead_letters: number
  /** Rows, and different transaction ids among them. */
  rows: number
  distinct: number
}

export interface OutageReport extends OutageContext, Outage {
  rss_before_mb: number
  peak_rss_away_mb: number
  rss_away_end_mb: number
  peak_rss_catching_up_mb: number
  handles_before: number
  handles_away: number
  handles_catching_up: number
  acknowledged: number
  dead_letters: number
  rows_checked: number
  lost: number
  duplicated: number
}

export function reportOutage(context: OutageContext, outage: Outage, ledger: Ledger): OutageReport {
  const { acknowledged, dead_letters, rows, distinct } = ledger
  const phases = {} as Outage['phases']
  for (const phase of PHASES) {
    const { first_mb, peak_mb, last_mb, handles } = outage.phases[phase]
    phases[phase] = {
      first_mb: rounded(first_mb),
      peak_mb: rounded(peak_mb),
      last_mb: rounded(last_mb),
      handles,
    }
  }
  const { before, away, 'catching up': catchingUp } = phases
  return {
    ...context,
    ...outage,
    phases,
    peak_rss_mb: rounded(outage.peak_rss_mb),
    rss_before_mb: before.last_mb,
    peak_rss_away_mb: away.peak_mb,
    rss_away_end_mb: away.last_mb,
    peak_rss_catching_up_mb: catchingUp.peak_mb,
    handles_before: before.handles,
    handles_away: away.handles,
    handles_catching_up: catchingUp.handles,
    acknowledged,
    dead_letters,
    rows_checked: rows,
    lost: acknowledged - dead_letters - distinct,
    duplicated: rows - distinct,
  }
}

const rounded = (mb: number): number => Math.round(mb * 10) / 10

/** @returns what is wrong with what was stored, or null: every record must be there, once, and none is a dead letter */
export function faultOf({ acknowledged, lost, duplicated, dead_letters }: OutageReport): string | null {
  const faults = [
    lost !== 0 && `${number(lost)} of ${number(acknowledged)} acknowledged records are not stored`,
    duplicated !== 0 && `${number(duplicated)} rows are stored more than once`,
    dead_letters !== 0 && `${number(dead_letters)} valid records became dead letters`,
  ].filter((fault) => fault !== false)
  return faults.length === 0 ? null : faults.join('; ')
}

/** For people: a table of the phases, what it means, and what it does not say. */
export function renderOutage(report: OutageReport): string {
  const { phases, machine } = report
  const header = ['phase', 'records in/s', 'stored/s', 'resident at most', 'at its end', 'handles']
  const stored: Record<Phase, number> = {
    before: report.tps_before,
    away: 0,
    'catching up': report.catch_up_tx_per_second,
  }
  const input: Record<Phase, number> = {
    before: report.input_before,
    away: report.input_away,
    'catching up': 0,
  }
  const rows = PHASES.map((phase) => [
    phase,
    number(input[phase]),
    number(stored[phase]),
    megabytes(phases[phase].peak_mb),
    megabytes(phases[phase].last_mb),
    String(phases[phase].handles),
  ])
  return [
    ...table([header, ...rows]),
    '',
    `PostgreSQL away for ${seconds(report.seconds_away)} while input went on: ${number(report.backlog)} records waited, at ` +
      `most ${megabytes(report.peak_rss_mb)} resident with ${report.heap_mb} MB for V8's heap; first commit ` +
      `${seconds(report.first_commit_after_s)} after it answered again, then ` +
      `${number(report.catch_up_tx_per_second)} tx/s until nothing waited, ${seconds(report.catch_up_seconds)} ` +
      `(${number(report.rows_checked)} rows checked, ${number(report.lost)} lost, ${number(report.duplicated)} twice; ` +
      `${machineInWords(machine)})`,
    '',
    `${number(report.log_lines_away)} lines logged while it was away. Processor time of the pipeline's own process: ` +
      `${report.catch_up_cpu_us ?? 'unknown'} us a transaction of the catch-up. ${number(report.accounts)} accounts, ` +
      `${report.partitions} partitions, ${report.lanes} lanes, seed ${report.seed}; load before: ${machine.load_before}.`,
    'No input comes while it catches up. The sender, Kafka, PostgreSQL and Node share the cores here. Not measured: ' +
      'a server that fails over, several processes, a table that has grown. See bench/README.md.',
  ].join('\n')
}

function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  return rows.map((cells) => cells.map((cell, c) => cell.padStart(widths[c])).join('  '))
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const seconds = (value: number): string => `${value.toFixed(1)} s`
const megabytes = (value: number): string => `${Math.round(value)} MB`
