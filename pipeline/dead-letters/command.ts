import { Argument, Command } from 'commander'
import { endWithReader } from '../../schemas/end-with-reader.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { type ListOptions, list } from './list.ts'
import { filterOptions, origin, origins, positiveInteger } from './options.ts'
import { type ReplayOptions, replay } from './replay.ts'
import { withSession } from './session.ts'
import { type ShowOptions, show } from './show.ts'
import { type StatsOptions, stats } from './stats.ts'

const AFTER_HELP = `
A dead letter is a record that could not be processed. It is known by its origin: topic/partition/offset where it stood
first. When it is replayed and rejected again it stays one dead letter, with the newest code and time.
All need KAFKA_BROKERS; replay needs DATABASE_URL too. docs/dead-letters.md has every code with its cause and remedy.

Exit codes: 0 done, or nothing to do; 1 an error; 2 the settings cannot be used; 130 Ctrl-C (143 SIGTERM).`

export function command(): Command {
  endWithReader()
  return new Command()
    .description('Look into the dead-letter topic, and send what is in it through the pipeline again.')
    .addHelpText('after', AFTER_HELP)
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(statsCommand())
    .addCommand(replayCommand())
}

function listCommand(): Command {
  const self = new Command('list').description('list dead letters, the newest first')
  for (const option of filterOptions()) self.addOption(option)
  return self
    .option('--limit <n>', 'at most n of them; by default 100, with --json all', positiveInteger)
    .option('--json', 'print one JSON object a line')
    .action((options: ListOptions) =>
      withSession(loadSettings(['KAFKA_BROKERS']), (session) => list(session, options)),
    )
}

function showCommand(): Command {
  return new Command('show')
    .description('show all of one: why, what to do, headers, key, value')
    .addArgument(new Argument('<origin>', 'topic/partition/offset, as list prints it').argParser(origin))
    .option('--bytes <n>', 'how many bytes of the value to show as hex', positiveInteger, 256)
    .option('--json', 'print one JSON object, with the whole value in base64')
    .addHelpText('after', '\nWith SCHEMA_REGISTRY_URL the value is read by the schema that wrote it.')
    .action((origin: string, options: ShowOptions) =>
      withSession(loadSettings(['KAFKA_BROKERS']), (session) => show(session, origin, options)),
    )
}

function statsCommand(): Command {
  const self = new Command('stats').description('count dead letters by code and by hour')
  for (const option of filterOptions()) self.addOption(option)
  return self
    .option('--json', 'print one JSON object')
    .action((options: StatsOptions) =>
      withSession(loadSettings(['KAFKA_BROKERS']), (session) => stats(session, options)),
    )
}

function replayCommand(): Command {
  const self = new Command('replay')
    .description('send dead letters to the transactions topic again, unless that was done before')
    .addArgument(new Argument('[origins...]', 'only these').argParser(origins))
  for (const option of filterOptions()) self.addOption(option)
  return self
    .option('--again', 'also those that were replayed before')
    .option('--dry-run', 'only tell what would be sent')
    .option('--yes', 'do not ask')
    .action((origins: string[], options: ReplayOptions) =>
      withSession(loadSettings(['KAFKA_BROKERS', 'DATABASE_URL']), (session) =>
        replay({ ...session, databaseUrl: session.settings.DATABASE_URL! }, origins, options),
      ),
    )
}
