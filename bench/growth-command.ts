import { Command, Option } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { interruptibly, noneOr, progress, wholeNumber, wholeNumbers } from './command-parts.ts'
import { type GrowthOptions, measureGrowth } from './growth.ts'
import { renderGrowth } from './growth-report.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'

interface GrowthCommandOptions
  extends Pick<GrowthOptions, 'records' | 'runs' | 'rows' | 'accounts'>,
    OutputOptions {
  ids: GrowthOptions['ids'][number] | 'both'
}

export function growthCommand(): Command {
  return withOutputOptions(new Command('growth'))
    .description(
      'The rate and the memory of the pipeline with many rows in the table already, ids sequential and random, and with ' +
        'many accounts. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL where set, else starts its own servers; ' +
        'makes topics and databases of its own and deletes them.',
    )
    .option(
      '--rows <list>',
      'rows in the table before, several by commas, or none',
      noneOr(wholeNumbers(0)),
      [0, 10_000_000, 50_000_000],
    )
    .addOption(
      new Option('--ids <kind>', 'transaction ids of the rows and of the records')
        .choices(['both', 'sequential', 'uuid'])
        .default('both'),
    )
    .option(
      '--accounts <list>',
      'numbers of accounts, over an empty table, several by commas, or none',
      noneOr(wholeNumbers(1)),
      [10_000, 100_000, 1_000_000],
    )
    .option(
      '--records <n>',
      'transactions of each run; with more accounts, as many as accounts',
      wholeNumber(1),
      500_000,
    )
    .option('--runs <n>', 'times to measure each; the medians are reported', wholeNumber(1), 3)
    .addHelpText(
      'after',
      '\n50 million rows take about 20 GB, a copy of them as much, and half an hour for each kind of ids. How each figure ' +
        'is measured stands in bench/README.md.',
    )
    .action(run)
}

async function run({ json, keep, ids, ...options }: GrowthCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureGrowth({
      ...options,
      ids: ids === 'both' ? ['sequential', 'uuid'] : [ids],
      settings: loadSettings(),
      progress,
      signal,
    })
    present('growth', report, renderGrowth, { json, keep })
  })
}
