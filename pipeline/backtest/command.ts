import { resolve } from 'node:path'
import { Command } from 'commander'
import type pg from 'pg'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { withClient } from '../../schemas/database.ts'
import { interruptibly } from '../../schemas/interruptibly.ts'
import { loadSettings, type Settings } from '../../schemas/settings.ts'
import { FEATURES } from '../features/features.ts'
import { withHistory } from '../history/open.ts'
import type { Model } from '../models/model.ts'
import { integer, positive, time } from '../produce/options.ts'
import { createProgressLine } from '../produce/progress-line.ts'
import { loadRules } from '../rules/rules.ts'
import { forestLearner, type Learner, lightgbmLearner } from '../train/learners.ts'
import { features } from '../train/options.ts'
import { chooseModel } from './model-choice.ts'
import { conflictOf, type Options, protocolOf, share } from './options.ts'
import { isLearnable, type Protocol } from './protocol.ts'
import { reportOn, tableOf } from './report.ts'
import { backtest, type Result } from './run.ts'

const AFTER_HELP = `
The pipeline's own stages decide about every transaction of the test span (without one, of the whole input) as they
would live; features are computed over the whole input. Spans end exclusive; times are UTC.

With --train-from and --train-until a model is trained first (lightgbm, or --model isolation-forest), with what is known
at --test-from: a label is known --delay-days after its transaction. Without, --model is a version of the registry
(\`npm run models\`), a file of \`npm run train -- --output\`, or isolation-forest for the shipped one, which is what
decides about an --input by default; about stored transactions it is the active one.

An account that is known as compromised is not tested, unless --keep-known: on test day d one with a fraud on any day
from 7 days before --train-until (without it: before --test-from less the delay) up to d - (delay + 1). Alerts a day are
those of what is tested, over the days from its first transaction to its last.

The input is taken as it stands, in its order: a line that is there twice counts twice, and the stream would meet an older
event that comes late in the same way.

Stored transactions (--from, --to) are read in the order in which the pipeline saw them, and decisions by the same rules
and model are compared: from the very first transaction on, and with the same ANOMALY_THRESHOLD, they must be identical.
Needs DATABASE_URL for stored transactions and models of the registry.

Exit codes: 0 done; 1 an error; 2 the settings cannot be used; 130 Ctrl-C (143 SIGTERM).`

const WHY_DIFFERENT =
  'They are the same where all is read from the very first transaction on (earlier ones make the features), with the ' +
  'ANOMALY_THRESHOLD of then.'

export function command(): Command {
  return new Command()
    .description('Measure how well fraud is found in past transactions.')
    .option('--input <file>', 'transactions as CSV or NDJSON, .gz too, as `npm run produce` reads them')
    .option('--from <time>', 'instead: stored transactions from this event time on (ISO 8601)', time)
    .option('--to <time>', 'and before this one', time)
    .option('--model <model>', 'what decides; with --train-from the kind to train')
    .option('--train-from <time>', 'train on transactions from this event time on', time)
    .option('--train-until <time>', 'and before this one', time)
    .option(
      '--delay-days <days>',
      'a label is known so many days after its transaction (default: LABEL_DELAY_DAYS)',
      integer(1, 3650),
    )
    .option('--test-from <time>', 'test transactions from this event time on', time)
    .option('--test-to <time>', 'and before this one', time)
    .option('--threshold <score>', 'alert from this score on (default: ANOMALY_THRESHOLD)', share)
    .option(
      '--alerts-per-day <number>',
      'find the threshold that gives at most so many alerts',
      positive(1e9),
    )
    .option('--keep-known', 'test accounts that are known as compromised, too')
    .option('--rules <file>', 'rules to use (default: RULES_FILE)')
    .option(
      '--seed <number>',
      'of the training: the same seed gives the same figures',
      integer(0, 2 ** 31 - 1),
      1,
    )
    .option('--trees <number>', 'lightgbm: trees to train', integer(1, 10_000), 100)
    .option('--leaves <number>', 'lightgbm: leaves of a tree', integer(2, 10_000), 15)
    .option('--features <names>', 'lightgbm: learn from these only, separated by commas', features)
    .option('--json', 'print the result as one JSON object')
    .addHelpText('after', AFTER_HELP)
    .action(async (options: Options, self: Command) => {
      const conflict = conflictOf(options)
      if (conflict !== undefined) self.error(`error: ${conflict}`)
      await interruptibly((signal) => measure(options, signal))
    })
}

/** Ctrl-C ends reading and training, and leaves no files behind. */
async function measure(options: Options, signal: AbortSignal): Promise<void> {
  const settings = loadSettings(options.input === undefined ? ['DATABASE_URL'] : [])
  const protocol = protocolOf(options, settings.LABEL_DELAY_DAYS)
  const rules = loadRules(options.rules ?? settings.RULES_FILE)
  const decider = await deciderOf(options, protocol, settings, signal)
  const progress = createProgressLine(process.stderr, 'transactions')
  const result = await withHistory(options, protocol.delayDays, settings, signal, (source) =>
    backtest({
      source,
      protocol,
      rules,
      decider,
      threshold: settings.ANOMALY_THRESHOLD,
      onProgress: (transactions) => progress.update(transactions, source.fraction()),
      signal,
    }),
  ).finally(() => progress.stop())
  print(result, rules.version, options, protocol, settings)
}

async function deciderOf(
  options: Options,
  protocol: Protocol,
  settings: Settings,
  signal: AbortSignal,
): Promise<Model | Learner> {
  const { model = 'lightgbm', trainFrom, seed, trees, leaves, features = [...FEATURES] } = options
  const url = settings.DATABASE_URL
  if (trainFrom === undefined) {
    const needsNone = options.input !== undefined && options.model === undefined
    return chooseModel(
      options.model,
      url === undefined || needsNone ? undefined : (use) => withDatabase(settings, use),
    )
  }
  const mayLearn = (time: number) => isLearnable(protocol, time)
  if (model === 'isolation-forest') return forestLearner(mayLearn, seed)
  if (model !== 'lightgbm')
    throw new Error('with --train-from, --model is a kind to train: lightgbm or isolation-forest')
  return lightgbmLearner(
    mayLearn,
    features,
    {
      seed,
      trees,
      leaves,
      signal,
      cache: resolve(cacheDirectory(settings.WEIR_CACHE_DIR)),
      say: (line) => console.error(line),
    },
    protocol.test?.from,
  )
}

const withDatabase = <T>(settings: Settings, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: settings.DATABASE_URL!, application_name: 'weir-backtest' }, use)

function print(
  result: Result,
  rules: string,
  options: Options,
  protocol: Protocol,
  settings: Settings,
): void {
  const { model, knowsAnswers, trained, comparison } = result
  const { alertsPerDay, threshold = settings.ANOMALY_THRESHOLD } = options
  const report = reportOn(
    result,
    protocol,
    alertsPerDay === undefined ? { threshold } : { perDay: alertsPerDay },
  )
  const { compared, differing, examples } = comparison
  for (const example of examples) console.error(`differs: ${example}`)
  if (knowsAnswers)
    console.error(
      `The model ${model} has learned from transactions that it was tested on: these figures are no measure of it. ` +
        'Test it on later ones (--test-from, --test-to), or train it here (--train-from, --train-until).',
    )
  const isStored = options.input === undefined
  if (options.json) {
    const stored = isStored ? { compared, differing } : {}
    const learned = trained === undefined ? {} : { trained: trained.metrics, seed: options.seed }
    console.log(
      JSON.stringify({ ...report, ...stored, model, rules, knows_answers: knowsAnswers, ...learned }),
    )
    return
  }
  console.log(`Model ${model}, rules ${rules}.`)
  console.log(tableOf(report))
  if (!isStored) return
  console.log(`${compared} stored decisions compared, ${differing} differ.`)
  if (compared === 0) console.log('Stored decisions are compared where the same rules and model made them.')
  else if (differing > 0) console.log(WHY_DIFFERENT)
}
