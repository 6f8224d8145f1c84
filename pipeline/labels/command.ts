import { Command } from 'commander'
import { interruptibly, type OnGiveUp } from '../../schemas/interruptibly.ts'
import type { Label } from '../../schemas/label.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { BadLines } from '../produce/bad-lines.ts'
import type { Parsed } from '../produce/line-form.ts'
import { time } from '../produce/options.ts'
import { createProgressLine, type ProgressLine } from '../produce/progress-line.ts'
import { type OpenFile, openFile } from '../produce/read-file.ts'
import { labelSink, type Sink } from '../produce/sink.ts'
import { labelLines } from './parse-label.ts'
import { rewindLabels } from './rewind.ts'

const AFTER_HELP = `
A label is what a transaction turned out to be: a chargeback, a customer's word, the end of an investigation. It names
the transaction by its id and event time. Of several labels of one transaction the one counts that became known last;
all are kept. When it became known is a part of a label: so a file that is sent twice is there once.

A file's columns (or keys) are transaction_id, timestamp (event time of the transaction), is_fraud (0, 1, true, false),
origin (who says so; or --origin) and known_at (when it became known; or --known-at). Times are as in produce. A line
that makes no label is named on stderr; the rest is sent.

Exit codes: 0 all sent; 1 an error, nothing but bad lines, or bad lines with --strict; 2 the settings cannot be used; 130
ended by Ctrl-C (143 by SIGTERM) before all was sent.`

interface Options {
  file: string
  origin?: string
  knownAt?: number
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
        .option('--known-at <time>', 'when it became known (ISO 8601), where the file does not tell', time)
        .option('--strict', 'exit 1 when there were bad lines')
        .option('--json', 'print the summary as JSON')
        .action(run),
    )
    .addCommand(
      new Command('rewind')
        .description('let the pipeline read all labels of the topic again, after a restore of the database')
        .option('--json', 'print one JSON object')
        .action(rewind),
    )
    .addHelpText('after', AFTER_HELP)
}

async function rewind({ json }: { json?: true }): Promise<void> {
  const settings = loadSettings(['KAFKA_BROKERS'])
  const labels = await rewindLabels(settings, createLogger('labels', settings.LOG_LEVEL))
  if (json) console.log(JSON.stringify({ labels }))
  else console.log(`${labels} labels will be read again by the next pipeline that starts`)
}

async function run(options: Options): Promise<void> {
  const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'])
  const { file, origin, knownAt, strict } = options
  const line = createProgressLine(process.stderr, 'labels acknowledged')
  await interruptibly(async (signal, onGiveUp) => {
    const warn = (message: string) => line.note(`warning: ${message}`)
    const labels = await openFile(file, labelLines({ origin, known_at: knownAt }), { warn, signal })
    const sink = await labelSink({ settings, log: createLogger('labels', settings.LOG_LEVEL) })
    const sending = { options, signal, onGiveUp, line }
    const { produced, bad_lines } = await send(labels, sink, sending).finally(() => sink.close())
    if (!signal.aborted && bad_lines > 0 && (strict || produced === 0)) process.exitCode = 1
  }, settings.SHUTDOWN_SECONDS)
}

interface Sending {
  options: Options
  signal: AbortSignal
  onGiveUp: OnGiveUp
  line: ProgressLine
}

/** Sends all of the file; however it ends, the summary is printed. */
async function send(
  { batches, fraction }: OpenFile<Parsed<Label>>,
  sink: Sink<Label>,
  { options: { file, json }, signal, onGiveUp, line }: Sending,
): Promise<{ produced: number; bad_lines: number }> {
  const badLines = new BadLines(file, line.note)
  let produced = 0
  const summarize = () => {
    badLines.tellRest()
    line.stop()
    const bad_lines = badLines.count
    console.log(
      json
        ? JSON.stringify({ produced, bad_lines })
        : `${produced} labels acknowledged, ${bad_lines} bad lines`,
    )
  }
  onGiveUp(() => {
    summarize()
    console.error('not all that was sent has been acknowledged')
  })
  try {
    for await (const { items, bad } of batches) {
      for (const each of bad) badLines.tell(each)
      if (items.length > 0) await sink.send(items)
      produced += items.length
      line.update(produced, fraction())
      if (signal.aborted) break
    }
    return { produced, bad_lines: badLines.count }
  } finally {
    summarize()
  }
}
