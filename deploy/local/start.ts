import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { startApi } from '../../api/main.ts'
import { startLocalPipeline } from '../../pipeline/local.ts'
import { startPipeline } from '../../pipeline/main.ts'
import { kafkaSink, type TransactionSink } from '../../pipeline/produce/sink.ts'
import type { RunningPipeline } from '../../pipeline/run.ts'
import { createLogger } from '../../schemas/log.ts'
import { migrate } from '../../schemas/migrate.ts'
import type { Needed, Settings } from '../../schemas/settings.ts'
import { onStopSignal } from '../../schemas/stop-signals.ts'
import { freePort } from './free-ports.ts'
import { reportProgress } from './progress-lines.ts'
import { readyBox } from './ready-box.ts'
import { type LocalServers, startServers } from './servers.ts'
import { sampleTraffic, sendFile, storedSince, totals } from './traffic.ts'

export interface StartOptions {
  file?: string
  once?: boolean
  json?: boolean
  keep?: string
  rate: number
}

type Complete = Needed<'DATABASE_URL' | 'API_KEY'>

/** Everything on this machine: starts in order, runs until a signal (or the file's end), closes in reverse. */
export async function start(options: StartOptions, given: Settings): Promise<void> {
  const end = new AbortController()
  onStopSignal(
    (signal) => end.abort(new Error(signal)),
    () => process.exit(1),
  )
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  try {
    await using stack = new AsyncDisposableStack()
    const servers = stack.use(
      await startServers({
        settings: given,
        keep: options.keep,
        progress: say,
        onServerEnd: (message) => failed.reject(new Error(message)),
        signal: end.signal,
      }),
    )
    if (servers.missing !== null) say(servers.missing)
    const settings = await complete(given, servers, options)
    const done = await migrate(settings.DATABASE_URL, createLogger('migrate', 'warn'))
    if (done.length > 0) say('The database has its tables.')

    const { pipeline, sink } = await startStream(settings, servers, stack)
    pipeline.done.catch(failed.reject)
    await Promise.race([
      failed.promise,
      options.once
        ? runOnce(options, settings, sink, end.signal)
        : runOn(options, settings, servers, pipeline, sink, stack, end.signal),
    ])
  } catch (error) {
    if (!end.signal.aborted) throw error
    // Asked to end before it was ready, or all of the file was stored.
    process.exitCode = 130
  }
  process.exit(process.exitCode ?? 0) // kafkajs may keep a reconnecting socket alive
}

/** The settings with the servers' addresses, a key, and ports that are free. */
async function complete(given: Settings, servers: LocalServers, { once }: StartOptions): Promise<Complete> {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL } = servers
  return {
    ...given,
    KAFKA_BROKERS: KAFKA_BROKERS ?? undefined,
    SCHEMA_REGISTRY_URL: SCHEMA_REGISTRY_URL ?? undefined,
    DATABASE_URL,
    API_KEY: given.API_KEY ?? randomBytes(16).toString('hex'),
    PORT: once ? given.PORT : await portOrAnother('PORT', given.PORT, given.HOST),
    PIPELINE_METRICS_PORT: await portOrAnother(
      'PIPELINE_METRICS_PORT',
      given.PIPELINE_METRICS_PORT,
      given.HOST,
    ),
  }
}

async function portOrAnother(
  name: 'PORT' | 'PIPELINE_METRICS_PORT',
  port: number,
  host: string,
): Promise<number> {
  const free = await freePort(host, port)
  if (free !== port && port !== 0) say(`Port ${port} of ${name} is taken; ${free} is used instead.`)
  return free
}

/** The pipeline and a way to send to it: over Kafka, or without it where Java or Maven is missing. */
async function startStream(
  settings: Complete,
  servers: LocalServers,
  stack: AsyncDisposableStack,
): Promise<{ pipeline: RunningPipeline; sink: TransactionSink }> {
  const log = createLogger('pipeline', settings.LOG_LEVEL === 'info' ? 'warn' : settings.LOG_LEVEL)
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = settings
  let stream: { pipeline: RunningPipeline; sink: TransactionSink }
  if (KAFKA_BROKERS === undefined || SCHEMA_REGISTRY_URL === undefined) {
    stream = await startLocalPipeline(settings, join(servers.directory, 'dead-letters.ndjson'), log)
  } else {
    const kafka = { ...settings, KAFKA_BROKERS, SCHEMA_REGISTRY_URL }
    const sink = await kafkaSink({ settings: kafka, log })
    stack.defer(() => sink.close())
    stream = { pipeline: await startPipeline(kafka, log), sink }
  }
  stack.defer(() => stream.pipeline.stop())
  return stream
}

/** Sends the file, waits until all of it is stored, and prints what became of it. */
async function runOnce(
  { file, json }: StartOptions,
  settings: Complete,
  sink: TransactionSink,
  signal: AbortSignal,
): Promise<void> {
  const before = await totals(settings)
  const began = performance.now()
  const sent = await sendFile(file!, sink, signal)
  const result = await storedSince(before, sent.produced, settings, signal)
  const seconds = (performance.now() - began) / 1000
  const summary = {
    produced: sent.produced,
    ...result,
    bad_lines: sent.bad_lines,
    rounded: sent.rounded,
    seconds: Math.round(seconds * 1000) / 1000,
    tx_per_second: Math.round(sent.produced / seconds),
  }
  if (json) console.log(JSON.stringify(summary))
  else
    console.log(
      Object.entries(summary)
        .map(([name, value]) => `${name.padEnd(14)} ${value}`)
        .join('\n'),
    )
}

/** Serves the page over the stream until a signal. */
async function runOn(
  options: StartOptions,
  settings: Complete,
  servers: LocalServers,
  pipeline: RunningPipeline,
  sink: TransactionSink,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<void> {
  const log = createLogger('api', settings.LOG_LEVEL === 'info' ? 'warn' : settings.LOG_LEVEL)
  const api = await startApi({ settings, log })
  stack.defer(() => api.stop())
  console.log(
    readyBox({ api, settings, servers, pipeline, rate: options.file === undefined ? options.rate : null }),
  )
  reportProgress(pipeline.progress, signal)
  if (options.file === undefined) await sampleTraffic(options.rate, sink, signal)
  else {
    const sent = await sendFile(options.file, sink, signal)
    say(`The file is sent: ${sent.produced} transactions, ${sent.bad_lines} bad lines. Ctrl-C ends.`)
  }
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  say('Stopping ...')
}

function say(line: string): void {
  console.error(line)
}
