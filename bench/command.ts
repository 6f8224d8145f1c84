import { Command, InvalidArgumentError, Option } from 'commander'
import { loadSettings } from '../schemas/settings.ts'
import { onStopSignal } from '../schemas/stop-signals.ts'
import { renderText, writeReport } from './report.ts'
import { measureThroughput, type ThroughputOptions } from './throughput.ts'

export function command(): Command {
  return new Command()
    .description('Measure Weir on this machine, beside what bounds it.')
    .addCommand(throughputCommand())
}

interface CommandOptions extends Omit<ThroughputOptions, 'settings' | 'progress' | 'signal'> {
  json?: boolean
  out?: string
}

function throughputCommand(): Command {
  return new Command('throughput')
    .description(
      'The pipeline as it runs, from Kafka to PostgreSQL, beside decode-only consume and bare COPY of the same ' +
        'records. Uses KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL where set, else starts its own servers; ' +
        'makes a topic and databases of its own and deletes them.',
    )
    .option('--records <n>', 'transactions to generate', wholeNumber(1), 200_000)
    .option('--runs <n>', 'times to measure each; the medians are reported', wholeNumber(1), 3)
    .option('--accounts <n>', 'accounts that the transactions are of', wholeNumber(1), 50_000)
    .addOption(
      new Option(
        '--ids <kind>',
        'transaction ids: sequential ones fill the primary key in order, uuid at random',
      )
        .choices(['sequential', 'uuid'])
        .default('sequential'),
    )
    .option('--json', 'print one JSON object')
    .option('--out <file>', 'write the JSON object to this file too')
    .option('--cpu-prof <directory>', "write a CPU profile of each run's pipeline (which slows it a little)")
    .addHelpText('after', '\nHow each figure is measured stands in bench/README.md.')
    .action(run)
}

async function run({ json, out, ...options }: CommandOptions): Promise<void> {
  const end = new AbortController()
  onStopSignal(
    () => end.abort(),
    () => process.exit(130),
  )
  try {
    const report = await measureThroughput({
      ...options,
      settings: loadSettings(),
      progress: (line) => console.error(line),
      signal: end.signal,
    })
    if (out !== undefined) writeReport(out, report)
    console.log(json ? JSON.stringify(report) : renderText(report))
  } catch (error) {
    if (!end.signal.aborted) throw error
    console.error('Interrupted; nothing is left behind.')
    process.exitCode = 130
  }
}

function wholeNumber(smallest: number): (text: string) => number {
  return (text) => {
    const value = Number(text.replaceAll('_', ''))
    if (!Number.isSafeInteger(value) || value < smallest)
      throw new InvalidArgumentError(`Expected a whole number from ${smallest} on.`)
    return value
  }
}
