import { access, constants } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { loadSettings } from '../../schemas/settings.ts'
import { type StartOptions, start } from './start.ts'

const AFTER_HELP = `
Starts a real Kafka, schema registry and PostgreSQL (whatever of KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL
is set is used instead, with --yes), the pipeline, the API with its page, and traffic of the simulator. Ctrl-C ends it all; without
--keep nothing is left. With --once the API is not started: the command ends when the file is stored.`

export function command(): Command {
  return new Command()
    .description('Everything on this machine, with sample traffic.')
    .option('--file <file>', 'send this file (CSV or NDJSON, .gz too) instead of sample traffic')
    .option('--once', 'with --file: end when all of it is stored')
    .option('--json', 'with --once: print one JSON object on stdout, and nothing else')
    .option('--keep <directory>', 'keep the data in this directory, and go on with what it holds')
    .option('--yes', 'write sample traffic to the servers that KAFKA_BROKERS or DATABASE_URL name')
    .option('--rate <n>', 'sample transactions a second', positive, 500)
    .addHelpText('after', AFTER_HELP)
    .action(async (options: StartOptions & { yes?: boolean }, self: Command) => {
      if (options.once && options.file === undefined) self.error('error: --once needs --file')
      if (options.json && !options.once) self.error('error: --json needs --once')
      if (options.file !== undefined) await mustBeReadable(options.file)
      const settings = loadSettings()
      if (settings.NODE_ENV === 'production')
        self.error(
          'error: this sends simulated transactions; in production use `npm run pipeline` and `npm run api`',
        )
      const named = (['KAFKA_BROKERS', 'DATABASE_URL'] as const).filter(
        (name) => settings[name] !== undefined,
      )
      if (named.length > 0 && options.file === undefined && !options.yes)
        self.error(
          `error: ${named.join(' and ')} ${named.length === 1 ? 'is' : 'are'} set, and sample traffic would stay there: ` +
            'unset them to use servers of its own, or say --yes',
        )
      await start(options, settings)
    })
}

/** Before servers are started for it. */
async function mustBeReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((cause: Error) => {
    throw new Error(`cannot read ${path}: ${cause.message}`, { cause })
  })
}

function positive(text: string): number {
  const number = Number(text)
  if (!(number > 0 && number <= 100_000))
    throw new InvalidArgumentError('expected a number above 0, up to 100000')
  return number
}
