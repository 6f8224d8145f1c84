import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import type pg from 'pg'
import { withClient } from '../../schemas/database.ts'
import { loadSettings, type Settings } from '../../schemas/settings.ts'
import { type Artifact, versionOf } from '../models/model.ts'
import { activateModel } from '../models/store.ts'
import { fromFile, fromSimulator, fromTable } from './sources.ts'
import { collectInputs, type TrainingSet, trainForest } from './train.ts'

interface Options {
  input?: string
  simulate?: number
  from?: Date
  to?: Date
  seed: number
  output?: string
  json?: boolean
}

const HOUR = 3_600_000

export function command(): Command {
  return new Command()
    .description('Train a model and make it the active one. A running pipeline takes it at its next start.')
    .addOption(
      new Option('--model <kind>', 'kind of model').choices(['isolation-forest']).default('isolation-forest'),
    )
    .option('--input <file>', 'transactions as CSV or NDJSON, .gz too, as `npm run produce` reads them')
    .option('--from <time>', 'instead: stored transactions from this event time on (ISO 8601)', time)
    .option('--to <time>', 'and before this one', time)
    .option('--simulate <number>', 'instead: this many transactions of the simulator', integer)
    .option('--seed <number>', 'the same seed and transactions give the same model', integer, 1)
    .option('--output <file>', 'write the model to a file instead of the database')
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      '\nNeeds DATABASE_URL, unless the input is no database and the output a file. Labels (is_fraud) are not read.',
    )
    .action(train)
}

async function train(options: Options): Promise<void> {
  const { input, simulate, from, to, output } = options
  const given = [input, simulate, from ?? to].filter((source) => source !== undefined).length
  if (given !== 1)
    throw new Error('say what to train on, one of: --input FILE; --from TIME and --to TIME; --simulate N')
  const fromDatabase = input === undefined && simulate === undefined
  if (fromDatabase && (from === undefined || to === undefined)) throw new Error('--from and --to go together')
  const settings = loadSettings(fromDatabase || output === undefined ? ['DATABASE_URL'] : [])

  const set = await collect(options, settings)
  if (set.inputs.length === 0) throw new Error('there is not one transaction to train on')
  console.error('training ...')
  const artifact = trainForest(set, options.seed)
  const version = versionOf(artifact)
  if (output === undefined) await withDatabase(settings, (client) => activateModel(client, artifact))
  else writeFileSync(output, `${JSON.stringify(artifact, null, 1)}\n`)
  report(artifact, version, options)
}

function collect(options: Options, settings: Settings): Promise<TrainingSet> {
  const lateness = settings.ALLOWED_LATENESS * HOUR
  const { input, simulate, from, to, seed } = options
  if (simulate !== undefined) return collectInputs(fromSimulator(simulate, seed, lateness))
  if (input !== undefined)
    return collectInputs(fromFile(input, lateness, (message) => console.error(message)))
  return withDatabase(settings, (client) => collectInputs(fromTable(client, from!, to!, lateness)))
}

const withDatabase = <T>(settings: Settings, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: settings.DATABASE_URL!, application_name: 'weir-train' }, use)

function report(artifact: Artifact, version: string, options: Options): void {
  const { metrics, trained_from, trained_to } = artifact
  if (options.json) console.log(JSON.stringify({ version, trained_from, trained_to, ...metrics }))
  else {
    const where = options.output === undefined ? 'it is the active model' : `it is in ${options.output}`
    console.log(
      `${version}: trained on ${metrics.transactions} transactions, ${trained_from} to ${trained_to}; ${where}`,
    )
  }
}

function time(text: string): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('expected a time such as 2026-11-01T00:00:00Z')
  return date
}

function integer(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('expected an integer')
  return number
}
