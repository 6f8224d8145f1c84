import { Command } from 'commander'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { type Interruption, interruption } from '../produce/interruption.ts'
import { createProgressLine } from '../produce/progress-line.ts'
import { openFile, withPath } from '../produce/read-file.ts'
import { labelSink } from '../produce/sink.ts'
import { readLabels } from './read-lines.ts'

const AFTER_HELP = `
A label is what a transaction turned out to be: a chargeback, a customer's word, the end of an investigation. It names
the transaction by its id and event time. Of several labels of one transaction the one counts that became known last;
all are kept, and a label that is sent twice is there once.

A file's columns (or keys) are transaction_id, timestamp (event time of the transaction), is_fraud (0, 1, true, false),
origin (who says so; or --origin) and, optional, known_at (when it became known; else now). Times are as in produce.

Exit codes: 0 all sent; 1 an error, or bad lines with --strict; 2 the settings cannot be used; 130 ended by Ctrl-C
(143 by SIGTERM) before all was sent.`

interface Options {
  file: string
  origin?: string
  strict?: true
  json?: true
}

export function command(): Command {
  return new Command()
    .description('Tell what transactions turned out to be.')
    .addCommand(
      new Command('send')
        .description('send labels to Kafka, for the pipeline to store')
        .requiredOption(
          '--file <file>',
          'CSV or NDJSON (.ndjson, .jsonl), also gzipped; - for the standard input',
        )
        .option('--origin <name>', 'who says so, where the file does not tell')
        .option('--strict', 'exit 1 when there were bad lines')
        .option('--json', 'print the summary as JSON')
        .action(run),
    )
    .addHelpText('after', AFTER_HELP)
}

async function run(options: Options): Promise<void> {
  const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'])
  const interrupted = interruption(settings.SHUTDOWN_SECONDS)
  try {
    const sink = await labelSink({ settings, log: createLogger('labels', settings.LOG_LEVEL) })
    const { bad_lines } = await send(options, sink, interrupted).finally(() => sink.close())
    if (options.strict && bad_lines > 0) process.exitCode = 1
  } catch (error) {
    if (!interrupted.signal.aborted || (error as Error).name !== 'AbortError') throw error
  } finally {
    interrupted.done()
  }
  if (interrupted.exitCode !== undefined) process.exitCode = interrupted.exitCode
}

/** Sends all of the file; however it ends, the summary is printed. */
async function send(
  { file, origin, json }: Options,
  sink: Awaited<ReturnType<typeof labelSink>>,
  { signal, onGiveUp }: Interruption,
): Promise<{ produced: number; bad_lines: number }> {
  const line = createProgressLine(process.stderr)
  const progress = { produced: 0, bad_lines: 0, rounded: 0 }
  const summarize = () => {
    line.stop()
    const { produced, bad_lines } = progress
    console.log(
      json
        ? JSON.stringify({ produced, bad_lines })
        : `${produced} labels acknowledged, ${bad_lines} bad lines`,
    )
  }
  onGiveUp(summarize)
  try {
    const { bytes, isNdjson, fraction } = await openFile(file, signal)
    const defaults = { origin, known_at: Date.now() }
    const warn = (message: string) => line.note(`warning: ${message}`)
    for await (const { labels, bad } of withPath(file, readLabels(bytes, { isNdjson, defaults, warn }))) {
      for (const { line: number, reason } of bad) line.note(`bad line ${number}: ${reason}`)
      progress.bad_lines += bad.length
      if (labels.length > 0) await sink.send(labels)
      progress.produced += labels.length
      line.update(progress, fraction())
      if (signal.aborted) break
    }
    return progress
  } finally {
    summarize()
  }
}
