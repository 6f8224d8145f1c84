import { Command, InvalidArgumentError } from 'commander'
import { loadSettings } from '../../schemas/settings.ts'
import { type StartOptions, start } from './start.ts'

const AFTER_HELP = `
Starts a real Kafka, schema registry and PostgreSQL (whatever of KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL
is set is used instead), the pipeline, the API with its page, and traffic of the simulator. Ctrl-C ends it all; without
--keep nothing is left. With --once the API is not started: the command ends when the file is stored.`

export function command(): Command {
  return new Command()
    .description('Everything on this machine, with sample traffic.')
    .option('--file <file>', 'send this file (CSV or NDJSON, .gz too) instead of sample traffic')
    .option('--once', 'with --file: end when all of it is stored')
    .option('--json', 'with --once: print one JSON object on stdout, and nothing else')
    .option('--keep <directory>', 'keep the data in this directory, and go on with what it holds')
    .option('--rate <n>', 'sample transactions a second', positive, 500)
    .addHelpText('after', AFTER_HELP)
    .action(async (options: StartOptions, self: Command) => {
      if (options.once && options.file === undefined) self.error('error: --once needs --file')
      if (options.json && !options.once) self.error('error: --json needs --once')
      await start(options, loadSettings())
    })
}

function positive(text: string): number {
  const number = Number(text)
  if (!(number > 0 && number <= 100_000)) throw new InvalidArgumentError('expected a number from 0 to 100000')
  return number
}
