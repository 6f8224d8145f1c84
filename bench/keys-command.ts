import { Command } from 'commander'
import { interruptibly, progress, wholeNumber } from './command-parts.ts'
import { type KeysOptions, measureKeys } from './keys.ts'
import { renderKeys } from './keys-report.ts'
import { type OutputOptions, present, withOutputOptions } from './output.ts'

interface KeysCommandOptions extends Pick<KeysOptions, 'rounds' | 'keys'>, OutputOptions {}

export function keysCommand(): Command {
  return withOutputOptions(new Command('keys'))
    .description(
      'How long the API takes for a right key, a wrong secret, an unknown id and what is no key, and whether they ' +
        'differ. In this process alone: no servers.',
    )
    .option('--rounds <n>', 'calls of each kind, in random order', wholeNumber(100), 20_000)
    .option('--keys <n>', 'valid keys in the table', wholeNumber(1), 50)
    .addHelpText('after', '\nSome seconds. How each figure is measured stands in bench/README.md.')
    .action(run)
}

async function run({ json, keep, rounds, keys }: KeysCommandOptions): Promise<void> {
  await interruptibly(async (signal) => {
    const report = await measureKeys({ rounds, keys, progress, signal })
    present('keys', report, renderKeys, { json, keep })
  })
}
