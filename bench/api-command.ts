import { Command } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { type ApiOptions, measureApi } from './api.ts'
import { faultOf, renderApi } from './api-report.ts'
import { interruptibly, progress, wholeNumber } from './command-parts.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'

interface ApiCommandOptions extends Omit<ApiOptions, 'settings' | 'progress' | 'signal'>, OutputOptions {}

export function apiCommand(): Command {
  return withOutputOptions(new Command('api'))
    .description(
      'Calls of the API over a table with many anomalies, each beside its SQL statements alone; first and last pages by ' +
        'cursor. Uses DATABASE_URL where set, else starts its own PostgreSQL; makes a database of its own and deletes it. ' +
        'No Kafka.',
    )
    .option('--rows <n>', 'rows in the table', wholeNumber(2000), 10_000_000)
    .option('--anomalies <n>', 'anomalies among them', wholeNumber(1000), 1_000_000)
    .option('--accounts <n>', 'accounts that they are of', wholeNumber(1), 50_000)
    .option('--clients <n>', 'clients that call at once', wholeNumber(1), 4)
    .option('--seconds <n>', 'how long each call is measured', wholeNumber(1), 10)
    .option('--warm-up-seconds <n>', 'of each call before that, which do not count', wholeNumber(0), 2)
    .addHelpText(
      'after',
      '\n10 million rows take 8 GB and some minutes. Exit code 1 when a call is not answered with 2xx. How each figure is ' +
        'measured stands in bench/README.md.',
    )
    .action(run)
}

async function run({ json, keep, ...options }: ApiCommandOptions, command: Command): Promise<void> {
  const { rows, anomalies, clients } = options
  if (anomalies >= rows) command.error('error: --anomalies leaves no other rows')
  if (clients * 250 > anomalies) command.error('error: each client needs 250 anomalies of its own')
  await interruptibly(async (signal) => {
    const report = await measureApi({ ...options, settings: loadSettings(), progress, signal })
    present('api', report, renderApi, { json, keep })
    const fault = faultOf(report)
    if (fault !== null) throw new Error(fault)
  })
}
