import { Command, Option } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { allCommand } from './all.ts'
import { apiCommand } from './api-command.ts'
import { interruptibly, progress, wholeNumber, wholeNumbers } from './command-parts.ts'
import { growthCommand } from './growth-command.ts'
import { keysCommand } from './keys-command.ts'
import { type LatencyOptions, measureLatency } from './latency.ts'
import { renderLatency } from './latency-report.ts'
import { measureOutage, type OutageOptions } from './outage.ts'
import { faultOf, renderOutage } from './outage-report.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'
import { measureRecovery, type RecoveryOptions } from './recovery.ts'
import { renderRecovery } from './recovery-report.ts'
import { renderText, writeReport } from './report.ts'
import { scaleCommand } from './scale-command.ts'
import { servingCommand } from './serving-command.ts'
import { measureStages, type StagesOptions } from './stages.ts'
import { renderStages } from './stages-report.ts'
import { streamCommand } from './stream-command.ts'
import { measureThroughput, type ThroughputOptions } from './throughput.ts'

export function command(): Command {
  const measurements = [
    throughputCommand(),
    recoveryCommand(),
    outageCommand(),
    latencyCommand(),
    stagesCommand(),
    growthCommand(),
    scaleCommand(),
    streamCommand(),
    apiCommand(),
    servingCommand(),
    keysCommand(),
  ]
  const bench = new Command().description('Measure Weir on this machine, beside what bounds it.')
  for (const measurement of measurements) bench.addCommand(measurement)
  return bench.addCommand(allCommand(measurements.map((measurement) => measurement.name())))
}

interface CommandOptions extends Omit<ThroughputOptions, 'settings' | 'progress' | 'signal'>, OutputOptions {
  out?: string
}

function throughputCommand(): Command {
  return withOutputOptions(new Command('throughput'))
    .description(
      'The pipeline as it runs, from Kafka to PostgreSQL, beside decode-only consume and bare COPY of the same ' +
        'records. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL where set, else starts its own servers; ' +
        'makes a topic and databases of its own and deletes them.',
    )
    .option('--records <n>', 'transactions to generate', wholeNumber(1), 200_000)
    .option('--runs <n>', 'times to measure each; the medians are reported', wholeNumber(1), 3)
    .option('--accounts <n>', 'accounts that the transactions are of', wholeNumber(1), 50_000)
    .addOption(
      new Option('--ids <kind>', 'transaction ids: sequential, or uuid as many banks have them')
        .choices(['sequential', 'uuid'])
        .default('sequential'),
    )
    .option('--out <file>', 'write the JSON object to this file too')
    .option('--cpu-prof <directory>', "write a CPU profile of each run's pipeline (which slows it a little)")
    .addHelpText('after', '\nHow each figure is measured stands in bench/README.md.')
    .action(run)
}

async function run({ json, keep, out, ...options }: CommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureThroughput({ ...options, settings: loadSettings(), progress, signal })
    if (out !== undefined) writeReport(out, report)
    present('throughput', report, renderText, { json, keep })
  })
}

/** What is not given hangs on the number of accounts. */
interface RecoveryCommandOptions
  extends Pick<RecoveryOptions, 'accounts'>,
    Partial<Pick<RecoveryOptions, 'records' | 'runs' | 'checkpointSeconds'>>,
    OutputOptions {}

function recoveryCommand(): Command {
  return withOutputOptions(new Command('recovery'))
    .description(
      'How long the pipeline needs from kill -9 to its first new commit, with a state of many accounts, and what ' +
        'checkpoints cost: its rate with and without them. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL ' +
        'where set, else starts its own servers; makes a topic and databases of its own and deletes them.',
    )
    .option('--accounts <n>', 'accounts that have a state', wholeNumber(1000), 50_000)
    .option(
      '--records <n>',
      'transactions of the backlog (default: as many as accounts, at least 300,000)',
      wholeNumber(1000),
    )
    .option('--runs <n>', 'times to measure each (default: 3, from 500,000 accounts on 1)', wholeNumber(1))
    .option(
      '--checkpoint-seconds <n>',
      'time between checkpoints (default: some within a backlog: 1 for every 200,000 records)',
      wholeNumber(1),
    )
    .addHelpText('after', '\nHow each figure is measured stands in bench/README.md.')
    .action(runRecovery)
}

async function runRecovery({ json, keep, accounts, ...given }: RecoveryCommandOptions, command: Command) {
  const records = given.records ?? Math.max(300_000, accounts)
  if (records < accounts)
    command.error(`error: --records ${records} leaves some of ${accounts} accounts without a state`)
  const runs = given.runs ?? (accounts < 500_000 ? 3 : 1)
  const checkpointSeconds = given.checkpointSeconds ?? Math.max(1, Math.floor(records / 200_000))
  await interruptibly(async (signal) => {
    const settings = loadSettings()
    const report = await measureRecovery({
      accounts,
      records,
      runs,
      checkpointSeconds,
      settings,
      progress,
      signal,
    })
    present('recovery', report, renderRecovery, { json, keep })
  })
}

interface OutageCommandOptions
  extends Pick<OutageOptions, 'seconds' | 'records' | 'heapMb' | 'seed'>,
    OutputOptions {}

function outageCommand(): Command {
  return withOutputOptions(new Command('outage'))
    .description(
      'PostgreSQL stopped while input goes on at full rate, the heap of the pipeline limited: its memory in each ' +
        'phase, and how fast it catches up. Uses KAFKA_BROKERS and SCHEMA_REGISTRY_URL where set, else starts its own; ' +
        'the PostgreSQL that it stops is always its own.',
    )
    .option('--seconds <n>', 'how long PostgreSQL is away', wholeNumber(1), 120)
    .option('--records <n>', 'records that are sent in that time', wholeNumber(1), 1_000_000)
    .option(
      '--heap-mb <n>',
      "limit of the pipeline's V8 heap, old and young generation together",
      wholeNumber(112),
      256,
    )
    .option('--seed <n>', 'seed of the transactions', wholeNumber(0), 1)
    .addHelpText(
      'after',
      '\nExit code 1 when a record is missing or is stored twice at the end. How each figure is measured stands in ' +
        'bench/README.md.',
    )
    .action(runOutage)
}

async function runOutage({ json, keep, ...options }: OutageCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureOutage({ ...options, settings: loadSettings(), progress, signal })
    present('outage', report, renderOutage, { json, keep })
    const fault = faultOf(report)
    if (fault !== null) throw new Error(fault)
  })
}

interface LatencyCommandOptions
  extends Omit<LatencyOptions, 'settings' | 'progress' | 'signal'>,
    OutputOptions {
  out?: string
}

function latencyCommand(): Command {
  return withOutputOptions(new Command('latency'))
    .description(
      "From a record's timestamp to its row's commit, at steady rates (open loop: what is sent late counts as late), " +
        'beside a single record through the idle pipeline. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL ' +
        'where set, else starts its own servers; makes topics and databases of its own and deletes them.',
    )
    .option(
      '--rates <list>',
      'records a second, several by commas',
      wholeNumbers(1),
      [1000, 10_000, 20_000, 50_000],
    )
    .option('--seconds <n>', 'how long each rate is measured', wholeNumber(1), 60)
    .option(
      '--warm-up-seconds <n>',
      'at the same rate before that; its records do not count',
      wholeNumber(0),
      20,
    )
    .option('--runs <n>', 'times to measure each rate; the medians are reported', wholeNumber(1), 1)
    .option('--accounts <n>', 'accounts that the transactions are of', wholeNumber(1), 50_000)
    .option('--cpu-prof <directory>', "write a CPU profile of each run's pipeline (which slows it a little)")
    .option('--out <file>', 'write the JSON object to this file too')
    .addHelpText('after', '\nHow each figure is measured stands in bench/README.md.')
    .action(runLatency)
}

async function runLatency({ json, keep, out, ...options }: LatencyCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureLatency({ ...options, settings: loadSettings(), progress, signal })
    if (out !== undefined) writeReport(out, report)
    present('latency', report, renderLatency, { json, keep })
  })
}

interface StagesCommandOptions extends Pick<StagesOptions, 'accounts' | 'records'>, OutputOptions {}

function stagesCommand(): Command {
  return withOutputOptions(new Command('stages'))
    .description(
      'What each stage takes of the processor for a transaction, decode to encode, and the memory of an account after ' +
        'a month. In this process alone: no servers.',
    )
    .option('--accounts <n>', 'accounts that have a month behind them', wholeNumber(1), 1_000_000)
    .option('--records <n>', 'transactions after it, whose stages are timed', wholeNumber(1), 300_000)
    .addHelpText(
      'after',
      '\nA million accounts need about 2 GB and some minutes. How each figure is measured stands in bench/README.md.',
    )
    .action(runStages)
}

async function runStages({ json, keep, ...options }: StagesCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureStages({ ...options, settings: loadSettings(), progress, signal })
    present('stages', report, renderStages, { json, keep })
  })
}
