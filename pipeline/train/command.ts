import { accessSync, constants, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import { Command, Option } from 'commander'
import type pg from 'pg'
import { operator } from '../../schemas/audit.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { withClient } from '../../schemas/database.ts'
import { interruptibly } from '../../schemas/interruptibly.ts'
import { loadSettings, type Settings } from '../../schemas/settings.ts'
import { DAY } from '../../schemas/time.ts'
import { FEATURES, type Feature } from '../features/features.ts'
import { withHistory } from '../history/open.ts'
import { replay } from '../history/replay.ts'
import type { InputSource } from '../history/sources.ts'
import { type Artifact, KINDS, versionOf } from '../models/artifact.ts'
import { activateModel, storeModel } from '../models/store.ts'
import { integer, time } from '../produce/options.ts'
import { forestLearner, type Learner, lightgbmLearner } from './learners.ts'
import { features } from './options.ts'

interface Options {
  model: Artifact['kind']
  input?: string
  simulate?: number
  from?: number
  to?: number
  seed: number
  trees: number
  leaves: number
  labelDelayDays?: number
  features?: Feature[]
  output?: string
  activate?: true
  json?: true
}

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
    .option('--simulate <number>', 'instead: this many transactions of the simulator', integer(1, 1e9))
    .option(
      '--seed <number>',
      'the same seed and transactions give the same model',
      integer(0, 2 ** 31 - 1),
      1,
    )
    .option(
      '--label-delay-days <days>',
      'a label is known so many days after its transaction; LightGBM learns from no younger ones (default: LABEL_DELAY_DAYS)',
      integer(1, 3650),
    )
    .option('--features <names>', 'lightgbm: learn from these only, separated by commas', features)
    .option('--trees <number>', 'lightgbm: trees to train', integer(1, 10_000), 100)
    .option('--leaves <number>', 'lightgbm: leaves of a tree', integer(2, 10_000), 15)
    .option('--output <file>', 'write the model to a file instead of the registry')
    .addOption(new Option('--activate', 'put the model in force').conflicts('output'))
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', AFTER_HELP)
    .action((options: Options) => interruptibly((signal) => train(options, signal)))
}

/** Ctrl-C ends reading and training, and leaves no files behind. */
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

  // Before the work, not after it.
  if (output !== undefined) accessSync(dirname(resolve(output)), constants.W_OK)
  const delayDays = options.labelDelayDays ?? settings.LABEL_DELAY_DAYS
  const readFrom = options.from === undefined ? undefined : options.from - WARM_UP_DAYS * DAY
  const artifact = await withHistory({ ...options, from: readFrom }, delayDays, settings, signal, (history) =>
    learn(history, options, delayDays, settings, signal),
  )
  signal.throwIfAborted()
  if (output !== undefined) writeFileSync(output, `${JSON.stringify(artifact, null, 1)}\n`)
  else
    await withDatabase(settings, async (client) => {
      const version = await storeModel(client, artifact)
      if (options.activate) await activateModel(client, version, operator())
    })
  report(artifact, options)
}

async function learn(
  history: InputSource,
  { model, features = [...FEATURES], seed, trees, leaves, from = Number.NEGATIVE_INFINITY, to }: Options,
  delayDays: number,
  settings: Settings,
  signal: AbortSignal,
): Promise<Artifact> {
  const bar = createBar(trees)
  const isLearnable = (time: number) => time >= from
  const learner =
    model === 'lightgbm'
      ? lightgbmLearner(
          isLearnable,
          features,
          {
            seed,
            trees,
            leaves,
            signal,
            cache: resolve(cacheDirectory(settings.WEIR_CACHE_DIR)),
            say: (line) => console.error(line),
            onTree: bar.update,
          },
          // Whoever tests from then on must not have been told what came later.
          to,
        )
      : forestLearner(isLearnable, seed)
  try {
    const seen = await readInto(learner, history, from, signal)
    if (seen.rows === 0) throw new Error('there is not one transaction to train on')
    if (model !== 'lightgbm') return await learner.train()
    console.error(
      `Left out: ${seen.unlabelled} of ${seen.rows} transactions without a label, and what is younger than the newest by ` +
        `less than ${delayDays} days, whose label cannot be known yet.`,
    )
    return await learner.train(seen.newest - delayDays * DAY)
  } finally {
    bar.stop()
  }
}

/** Stored transactions before the span are read, not learned from: else every account would seem new in it. */
const WARM_UP_DAYS = 45

/** What LightGBM has done so far, where somebody looks. */
function createBar(total: number): { update: (trees: number) => void; stop: () => void } {
  if (!process.stderr.isTTY) return { update() {}, stop() {} }
  const format = 'Training {bar} {value}/{total} trees'
  const bar = new SingleBar({ format, hideCursor: true }, Presets.shades_classic)
  return {
    update: (trees) => (bar.isActive ? bar.update(trees) : bar.start(total, trees)),
    stop: () => bar.stop(),
  }
}

async function readInto(learner: Learner, history: InputSource, from: number, signal: AbortSignal) {
  const seen = { rows: 0, unlabelled: 0, newest: Number.NEGATIVE_INFINITY }
  for await (const { batch } of replay(history, signal)) {
    learner.take(batch)
    for (const { is_fraud, timestamp } of batch.transactions) {
      if (timestamp < from) continue
      seen.rows++
      if (is_fraud === null) seen.unlabelled++
      if (timestamp > seen.newest) seen.newest = timestamp
    }
  }
  return seen
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
