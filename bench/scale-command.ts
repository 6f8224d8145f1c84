import { Command, Option } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { interruptibly, progress, wholeNumber, wholeNumbers } from './command-parts.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'
import { measureScale, type ScaleOptions } from './scale.ts'
import { renderScale } from './scale-report.ts'

interface ScaleCommandOptions extends Omit<ScaleOptions, 'settings' | 'progress' | 'signal'>, OutputOptions {}

export function scaleCommand(): Command {
  return withOutputOptions(new Command('scale'))
    .description(
      'The rate of several workers, and with many partitions; the processor time of the pipeline, PostgreSQL and Kafka ' +
        'for a million transactions, and an estimate from it for more cores. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and ' +
        'DATABASE_URL where set, else starts its own servers, whose processor time only is known; makes topics and ' +
        'databases of its own and deletes them.',
    )
    .option(
      '--workers <list>',
      'numbers of workers, several by commas, with the first of --partitions',
      wholeNumbers(1),
      [1, 2, 4],
    )
    .option(
      '--partitions <list>',
      "numbers of the topic's partitions, several by commas, with the first of --workers",
      wholeNumbers(1),
      [6, 12, 48, 192],
    )
    .option('--records <n>', 'transactions to generate', wholeNumber(1000), 3_000_000)
    .option('--accounts <n>', 'accounts that the transactions are of', wholeNumber(1), 50_000)
    .addOption(
      new Option('--ids <kind>', 'transaction ids').choices(['sequential', 'uuid']).default('sequential'),
    )
    .option('--runs <n>', 'times to measure each; the medians are reported', wholeNumber(1), 3)
    .addHelpText('after', '\nHow each figure is measured stands in bench/README.md.')
    .action(run)
}

async function run({ json, keep, ...options }: ScaleCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureScale({ ...options, settings: loadSettings(), progress, signal })
    present('scale', report, renderScale, { json, keep })
  })
}
