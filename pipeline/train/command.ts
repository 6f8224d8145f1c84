import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import { Command, Option } from 'commander'
import type pg from 'pg'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { withClient } from '../../schemas/database.ts'
import { loadSettings, type Settings } from '../../schemas/settings.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { FEATURES, type Feature } from '../features/features.ts'
import { type Artifact, KINDS, versionOf } from '../models/artifact.ts'
import { activateModel, storeModel } from '../models/store.ts'
import { collectInputs, trainForest } from './forest.ts'
import { trainLightgbm } from './lightgbm.ts'
import { days, features, integer, time } from './options.ts'
import { labelledRows } from './rows.ts'
import { fromFile, fromSimulator, fromTable, type TrainingTransactions } from './sources.ts'

interface Options {
  model: Artifact['kind']
  input?: string
  simulate?: number
  from?: Date
  to?: Date
  seed: number
  labelDelayDays: number
  features?: Feature[]
  output?: string
  activate?: true
  json?: true
}

const HOUR = 3_600_000
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

const AFTER_HELP = `
The model is stored in the registry; it is in force once it is activated, by --activate or \`npm run models -- activate\`.
An isolation forest reads no labels. LightGBM learns from is_fraud, of the transactions in which it is known; it needs
Python 3.11 or later and installs itself into the cache directory (WEIR_CACHE_DIR) at the first time.
Needs DATABASE_URL, unless the input is no database and the output a file.

Exit codes: 0 done; 1 an error; 2 the settings cannot be used; 130 Ctrl-C (143 SIGTERM).`

export function command(): Command {
  return new Command()
    .description('Train a model and store it in the registry (`npm run models`).')
    .addOption(new Option('--model <kind>', 'kind of model').choices(KINDS).default('isolation-forest'))
    .option('--input <file>', 'transactions as CSV or NDJSON, .gz too, as `npm run produce` reads them')
    .option('--from <time>', 'instead: stored transactions from this event time on (ISO 8601)', time)
    .option('--to <time>', 'and before this one', time)
    .option('--simulate <number>', 'instead: this many transactions of the simulator', integer)
    .option('--seed <number>', 'the same seed and transactions give the same model', integer, 1)
    .option(
      '--label-delay-days <days>',
      'lightgbm: a label is known so long after its transaction; younger ones than that are not learned from',
      days,
      7,
    )
    .option('--features <names>', 'lightgbm: learn from these only, separated by commas', features)
    .option('--output <file>', 'write the model to a file instead of the registry')
    .addOption(new Option('--activate', 'put the model in force').conflicts('output'))
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', AFTER_HELP)
    .action(run)
}

/** Ctrl-C ends reading and training, and leaves no files behind. */
async function run(options: Options): Promise<void> {
  const controller = new AbortController()
  const giveUp = () => process.exit(process.exitCode)
  const release = onStopSignal((name) => {
    process.exitCode = EXIT_CODES[name]
    controller.abort()
  }, giveUp)
  try {
    await train(options, controller.signal)
  } catch (error) {
    if (!controller.signal.aborted || (error as Error).name !== 'AbortError') throw error
  } finally {
    release()
  }
}

async function train(options: Options, signal: AbortSignal): Promise<void> {
  const { input, simulate, from, to, output } = options
  const given = [input, simulate, from ?? to].filter((source) => source !== undefined).length
  if (given !== 1)
    throw new Error('say what to train on, one of: --input FILE; --from TIME and --to TIME; --simulate N')
  if (options.model !== 'lightgbm' && options.features !== undefined)
    throw new Error('--features goes with --model lightgbm: an isolation forest has inputs of its own')
  const fromDatabase = input === undefined && simulate === undefined
  if (fromDatabase && (from === undefined || to === undefined)) throw new Error('--from and --to go together')
  const settings = loadSettings(fromDatabase || output === undefined ? ['DATABASE_URL'] : [])

  const artifact = await withTransactions(options, settings, (transactions) =>
    options.model === 'lightgbm'
      ? lightgbm(transactions, options, settings, signal)
      : forest(transactions, options, signal),
  )
  signal.throwIfAborted()
  if (output !== undefined) writeFileSync(output, `${JSON.stringify(artifact, null, 1)}\n`)
  else
    await withDatabase(settings, async (client) => {
      const version = await storeModel(client, artifact)
      if (options.activate) await activateModel(client, version)
    })
  report(artifact, options)
}

async function forest(
  transactions: TrainingTransactions,
  { seed }: Options,
  signal: AbortSignal,
): Promise<Artifact> {
  const set = await collectInputs(transactions, signal)
  if (set.inputs.length === 0) throw new Error(NOTHING)
  console.error('training ...')
  return trainForest(set, seed)
}

async function lightgbm(
  transactions: TrainingTransactions,
  { features = [...FEATURES], labelDelayDays, seed }: Options,
  settings: Settings,
  signal: AbortSignal,
): Promise<Artifact> {
  const { leftOut, ...rows } = await labelledRows(transactions, features, labelDelayDays, signal)
  const { unlabelled, too_young } = leftOut
  console.error(
    `left out: ${unlabelled} transactions without a label, and ${too_young} younger than the newest by less than ` +
      `${labelDelayDays} days, whose label cannot be known yet`,
  )
  if (rows.labels.every((part) => part.length === 0)) throw new Error(NOTHING)
  const bar = process.stderr.isTTY
    ? new SingleBar(
        { format: 'Training {bar} {value}/{total} trees', hideCursor: true },
        Presets.shades_classic,
      )
    : undefined
  const trees = 100
  try {
    return await trainLightgbm(rows, {
      seed,
      trees,
      signal,
      cache: resolve(cacheDirectory(settings.WEIR_CACHE_DIR)),
      say: (line) => console.error(line),
      onTree(done) {
        if (done === 1) bar?.start(trees, done)
        else bar?.update(done)
      },
    })
  } finally {
    bar?.stop()
  }
}

const NOTHING = 'there is not one transaction to train on'

async function withTransactions<T>(
  { input, simulate, from, to, seed }: Options,
  settings: Settings,
  use: (transactions: TrainingTransactions) => Promise<T>,
): Promise<T> {
  const lateness = settings.ALLOWED_LATENESS * HOUR
  if (simulate !== undefined) return use(fromSimulator(simulate, seed, lateness))
  if (input !== undefined) return use(fromFile(input, lateness, (message) => console.error(message)))
  return withDatabase(settings, (client) => use(fromTable(client, from!, to!, lateness)))
}

const withDatabase = <T>(settings: Settings, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: settings.DATABASE_URL!, application_name: 'weir-train' }, use)

function report(artifact: Artifact, { output, activate, json }: Options): void {
  const { kind, metrics, trained_from, trained_to } = artifact
  const version = versionOf(artifact)
  if (json) {
    const active = activate === true
    console.log(JSON.stringify({ version, kind, active, trained_from, trained_to, ...metrics }))
    return
  }
  const next =
    output !== undefined
      ? `it is in ${output}`
      : activate
        ? 'it is in force; a running pipeline takes it at its next start'
        : `put it in force by \`npm run models -- activate ${version}\``
  console.log(
    `${version}: trained on ${metrics.transactions} transactions, ${trained_from} to ${trained_to}; ${next}`,
  )
}
