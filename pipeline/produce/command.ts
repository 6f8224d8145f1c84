import { Command } from 'commander'
import { interruptibly, type OnGiveUp } from '../../schemas/interruptibly.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { BadLines } from './bad-lines.ts'
import { conflictOf, integer, type Options, positive } from './options.ts'
import { type Progress, produce } from './produce.ts'
import { createProgressLine, type ProgressLine } from './progress-line.ts'
import { kafkaSink, type TransactionSink } from './sink.ts'
import { openSource, type Source } from './source.ts'

const AFTER_HELP = `
A file's columns (or keys) are transaction_id, account_id, timestamp, amount and, optional, currency, merchant_id,
merchant_category, location, channel, is_fraud. Timestamps are ISO 8601, or YYYY-MM-DD HH:MM:SS in UTC. Amounts of
more than four decimals are rounded half to even. A line that makes no record is named on stderr; the rest is sent.

Exit codes: 0 all sent; 1 an error, nothing but bad lines, or bad lines with --strict; 2 the settings cannot be used; 130
ended by Ctrl-C (143 by SIGTERM) before all was sent. Ctrl-C waits for what was sent to be acknowledged; a second one
does not. Traffic without --seconds has no end: Ctrl-C ends it with 0.`

export function command(): Command {
  return new Command()
    .description('Send transactions to Kafka: from a file, or simulated with fraud among them.')
    .option('--file <file>', 'CSV or NDJSON (.ndjson, .jsonl), also gzipped; - for the standard input')
    .option('--generate <n>', 'simulate n transactions: some weeks that end now', integer(1, 1_000_000_000))
    .option('--rate <n>', 'simulate live traffic of n transactions a second', positive(1_000_000))
    .option('--seconds <n>', 'how long with --rate; without it, until Ctrl-C', positive(1_000_000_000))
    .option(
      '--seed <n>',
      'seed of the simulation: repeats it; by default a new one each time',
      integer(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--strict', 'exit 1 when there were bad lines')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', AFTER_HELP)
    .action(async (options: Options, self: Command) => {
      const conflict = conflictOf(options)
      if (conflict !== undefined) self.error(`error: ${conflict}`)
      await run(options)
    })
}

async function run(options: Options): Promise<void> {
  const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'])
  const line = createProgressLine(process.stderr, 'records acknowledged')
  await interruptibly(async (signal, onGiveUp) => {
    const warn = (message: string) => line.note(`warning: ${message}`)
    const source = await openSource(options, { warn, signal, now: Date.now() })
    const sink = await kafkaSink({ settings, log: createLogger('produce', settings.LOG_LEVEL) })
    const sending = { options, signal, onGiveUp, line }
    const { produced, bad_lines } = await send(source, sink, sending).finally(() => sink.close())
    const isEndless = options.rate !== undefined && options.seconds === undefined
    if (signal.aborted && isEndless) process.exitCode = 0
    else if (!signal.aborted && bad_lines > 0 && (options.strict || produced === 0)) process.exitCode = 1
  }, settings.SHUTDOWN_SECONDS)
}

interface Sending {
  options: Options
  signal: AbortSignal
  onGiveUp: OnGiveUp
  line: ProgressLine
}

/** Sends all of the source; however it ends, the summary is printed. */
async function send(
  source: Source,
  sink: TransactionSink,
  { options, signal, onGiveUp, line }: Sending,
): Promise<Progress> {
  const started = performance.now()
  const badLines = new BadLines(options.file ?? '', line.note)
  let last: Progress = { produced: 0, bad_lines: 0, rounded: 0 }
  const summarize = () => {
    badLines.tellRest()
    line.stop()
    console.log(summaryText(last, (performance.now() - started) / 1000, source, options))
  }
  onGiveUp(() => {
    summarize()
    console.error('not all that was sent has been acknowledged')
  })
  try {
    return await produce(source.batches, sink, {
      signal,
      onBad: (bad) => badLines.tell(bad),
      onProgress(progress) {
        last = progress
        line.update(progress.produced, source.fraction(progress))
      },
    })
  } finally {
    summarize()
  }
}

function summaryText(progress: Progress, seconds: number, { seed }: Source, { json }: Options): string {
  const { produced, bad_lines, rounded } = progress
  const records_per_second = Math.round(produced / seconds)
  if (json)
    return JSON.stringify({
      produced,
      bad_lines,
      rounded,
      seconds: Math.round(seconds * 1000) / 1000,
      records_per_second,
      seed,
    })
  const counts = [
    `${produced} records acknowledged in ${seconds.toFixed(1)} s (${records_per_second}/s)`,
    `${bad_lines} bad lines`,
    `${rounded} amounts rounded`,
  ]
  if (seed !== undefined) counts.push(`seed ${seed}`)
  return counts.join(', ')
}
