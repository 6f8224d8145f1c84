import { Command } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { interruptibly, progress, wholeNumber } from './command-parts.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'
import { measureStream, type StreamOptions } from './stream.ts'
import { faultOf, renderStream } from './stream-report.ts'

interface StreamCommandOptions
  extends Omit<StreamOptions, 'settings' | 'progress' | 'signal'>,
    OutputOptions {}

export function streamCommand(): Command {
  return withOutputOptions(new Command('stream'))
    .description(
      "The API's stream of events with many clients, some of which never read: its memory, who was dropped, and whether " +
        'all others got every event in order. Uses DATABASE_URL where set, else starts its own PostgreSQL; makes a ' +
        'database of its own and deletes it. No Kafka.',
    )
    .option('--clients <n>', 'clients in all', wholeNumber(2), 500)
    .option('--idle <n>', 'those of them that never read', wholeNumber(0), 50)
    .option('--events <n>', 'anomalies that are stored while they are there', wholeNumber(1), 4000)
    .option('--rate <n>', 'of them a second', wholeNumber(1), 1000)
    .option('--event-bytes <n>', 'size of one, nearly', wholeNumber(1000), 2500)
    .addHelpText(
      'after',
      '\nExit code 1 when a client that reads missed an event or got one twice. How each figure is measured stands in ' +
        'bench/README.md.',
    )
    .action(run)
}

async function run({ json, keep, ...options }: StreamCommandOptions, command: Command): Promise<void> {
  if (options.idle >= options.clients) command.error('error: --idle leaves no client that reads')
  await interruptibly(async (signal) => {
    const report = await measureStream({ ...options, settings: loadSettings(), progress, signal })
    present('stream', report, renderStream, { json, keep })
    const fault = faultOf(report)
    if (fault !== null) throw new Error(fault)
  })
}
