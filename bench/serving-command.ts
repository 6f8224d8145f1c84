import { Command } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { interruptibly, progress, wholeNumber } from './command-parts.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'
import { measureServing, type ServingOptions } from './serving.ts'
import { faultOf, renderServing } from './serving-report.ts'

interface ServingCommandOptions
  extends Omit<ServingOptions, 'settings' | 'progress' | 'signal'>,
    OutputOptions {}

export function servingCommand(): Command {
  return withOutputOptions(new Command('serving'))
    .description(
      'The stream at a steady rate, alone and beside calls of the API, over one full table: what is stored a second, ' +
        'and how late. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL where set, else starts its own servers; ' +
        'makes a topic and a database of its own and deletes them.',
    )
    .option('--rate <n>', 'records a second', wholeNumber(1), 30_000)
    .option('--requests <n>', 'calls of the API a second', wholeNumber(1), 500)
    .option('--clients <n>', 'connections that they come over', wholeNumber(1), 10)
    .option('--seconds <n>', 'of each of the three phases: alone, beside, alone', wholeNumber(1), 20)
    .option('--warm-up-seconds <n>', 'of both, before the first phase', wholeNumber(0), 10)
    .option('--rest-seconds <n>', 'then of records alone, to catch up', wholeNumber(0), 30)
    .option('--rows <n>', 'rows in the table', wholeNumber(2000), 10_000_000)
    .option('--anomalies <n>', 'anomalies among them', wholeNumber(1000), 1_000_000)
    .option('--accounts <n>', 'accounts that they are of', wholeNumber(1), 50_000)
    .option('--stream-accounts <n>', 'accounts that the records are of', wholeNumber(1), 500_000)
    .addHelpText(
      'after',
      '\n10 million rows take 8 GB and some minutes. Exit code 1 when a call is not answered with 2xx, or a record is ' +
        'missing at the end. How each figure is measured stands in bench/README.md.',
    )
    .action(run)
}

async function run({ json, keep, ...options }: ServingCommandOptions, command: Command): Promise<void> {
  if (options.anomalies >= options.rows) command.error('error: --anomalies leaves no other rows')
  await interruptibly(async (signal) => {
    const report = await measureServing({ ...options, settings: loadSettings(), progress, signal })
    present('serving', report, renderServing, { json, keep })
    const fault = faultOf(report)
    if (fault !== null) throw new Error(fault)
  })
}
