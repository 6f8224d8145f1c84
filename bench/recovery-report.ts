import type { Recovery } from './kill.ts'
import { type Machine, machineInWords } from './machine.ts'
import { median, medianCpu } from './report.ts'

export interface RecoveryRun extends Recovery {
  /** Transactions a second of a backlog, into an empty database. */
  tps_with_checkpoints: number
  tps_without_checkpoints: number
  /** Processor time of the pipeline's own process for each transaction, microseconds; null off Linux. */
  cpu_us_with_checkpoints: number | null
  cpu_us_without_checkpoints: number | null
  /** Completed while the backlog was worked off: of one partition each. */
  checkpoints: number
  order: ('with' | 'without')[]
}

/** Those that are numbers in any case. */
type Figure = Exclude<keyof RecoveryRun, 'order' | `cpu_us_${string}`>

export interface RecoveryContext {
  accounts: number
  records: number
  partitions: number
  /** Between two checkpoints of a partition. */
  checkpoint_seconds: number
  /** Kafka gives the partitions of a killed process to another one only after this. */
  session_timeout_seconds: number
  machine: Machine
}

/** Medians, and the runs. */
export interface RecoveryReport extends Omit<RecoveryRun, 'order'>, RecoveryContext {
  /** The part of the rate that checkpoints take: 1 - with / without, of the medians; below 0 when they took none. */
  checkpoint_cost: number
  /** An estimate of it for the default setting: what each checkpoint took, once a minute for each partition. */
  checkpoint_cost_at_60_seconds: number
  runs: RecoveryRun[]
}

/** @param runs at least one */
export function summariseRecovery(runs: RecoveryRun[], context: RecoveryContext): RecoveryReport {
  const of = (name: Figure, digits = 0) => Number(median(runs.map((run) => run[name])).toFixed(digits))
  const tps_with_checkpoints = of('tps_with_checkpoints')
  const tps_without_checkpoints = of('tps_without_checkpoints')
  return {
    ...context,
    recovery_seconds: of('recovery_seconds', 3),
    own_seconds: of('own_seconds', 3),
    all_partitions_seconds: of('all_partitions_seconds', 3),
    restore_seconds: of('restore_seconds', 3),
    replayed: of('replayed'),
    accounts_restored: of('accounts_restored'),
    checkpoint_bytes: of('checkpoint_bytes'),
    checkpoints: of('checkpoints'),
    tps_with_checkpoints,
    tps_without_checkpoints,
    cpu_us_with_checkpoints: medianCpu(runs.map((run) => run.cpu_us_with_checkpoints)),
    cpu_us_without_checkpoints: medianCpu(runs.map((run) => run.cpu_us_without_checkpoints)),
    checkpoint_cost: Number((1 - tps_with_checkpoints / tps_without_checkpoints).toFixed(3)),
    checkpoint_cost_at_60_seconds: Number(costAMinute(runs, context).toFixed(4)),
    runs,
  }
}

/** By the seconds that a backlog took longer for each checkpoint; as a share, 0..1, or below 0 by chance. */
function costAMinute(runs: RecoveryRun[], { records, partitions }: RecoveryContext): number {
  const lost = runs.map(
    (run) =>
      (records / run.tps_with_checkpoints - records / run.tps_without_checkpoints) /
      Math.max(1, run.checkpoints),
  )
  return (median(lost) * partitions) / 60
}

/** For people: a table of the runs, what it means, and what it does not say. */
export function renderRecovery(report: RecoveryReport): string {
  const { runs, accounts, checkpoint_seconds, session_timeout_seconds } = report
  const header = ['run', 'recovery', 'own part', 'all partitions', 'replayed', 'with', 'without', 'cost']
  const row = (name: string, run: Omit<RecoveryRun, 'order'>) => [
    name,
    seconds(run.recovery_seconds),
    seconds(run.own_seconds),
    seconds(run.all_partitions_seconds),
    number(run.replayed),
    number(run.tps_with_checkpoints),
    number(run.tps_without_checkpoints),
    percent(1 - run.tps_with_checkpoints / run.tps_without_checkpoints),
  ]
  return [
    ...table([header, ...runs.map((run, i) => row(String(i + 1), run)), row('median', report)]),
    '',
    `${number(accounts)} accounts: ${seconds(report.recovery_seconds)} from kill -9 to the first new commit, ` +
      `${seconds(report.own_seconds)} of them Weir's own; checkpoints of ${megabytes(report.checkpoint_bytes)} every ` +
      `${checkpoint_seconds} s cost ${costInWords(report.checkpoint_cost)} (median of ${runs.length}, ` +
      `${machineInWords(report.machine)})`,
    '',
    `Recovery: the process is started again at once, but Kafka keeps a killed one's partitions for the rest of its ` +
      `session timeout, ${session_timeout_seconds} s here (KAFKA_SESSION_TIMEOUT_MS). Own part: from the first ` +
      'partition claimed to the first commit.',
    `With, without: transactions a second, ${number(report.records)} records into an empty database; ` +
      `${number(report.checkpoints)} checkpoints of a partition each fell into that time. At the default of 60 s ` +
      `(CHECKPOINT_SECONDS) they would cost about ${percent(Math.max(0, report.checkpoint_cost_at_60_seconds))}. ` +
      `Processor time of the pipeline's own process: ${report.cpu_us_with_checkpoints ?? 'unknown'} us a transaction ` +
      `with them, ${report.cpu_us_without_checkpoints ?? 'unknown'} us without.`,
    `Load before: ${report.machine.load_before}. Not measured: a long replay (after a kill under full load, up to ` +
      'CHECKPOINT_SECONDS of records), several processes, a table that has grown. See bench/README.md.',
  ].join('\n')
}

const costInWords = (cost: number): string =>
  cost > 0 ? `${percent(cost)} of the rate` : `less than other work on the machine (${percent(cost)})`

function table(rows: string[][]): string[] {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((cells) => cells[c].length)))
  return rows.map((cells) => cells.map((cell, c) => cell.padStart(widths[c])).join('  '))
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')
const seconds = (value: number): string => `${value.toFixed(2)} s`
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
