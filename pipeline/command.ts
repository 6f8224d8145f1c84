import { once } from 'node:events'
import { Command, InvalidArgumentError } from 'commander'
import { createLogger, type Logger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { onStopSignal } from '../schemas/stop-signals.ts'
import { logUncaught } from '../schemas/uncaught.ts'
import { armFailpoint } from './failpoint.ts'
import { type PipelineSettings, startPipeline } from './main.ts'
import { within } from './within.ts'
import { superviseWorkers } from './workers.ts'

export function command(): Command {
  return new Command()
    .description('Score the transactions of the topic and store them in PostgreSQL, until stopped.')
    .option('--workers <n>', 'processes that share the partitions; default: the setting WORKERS', count)
    .addHelpText(
      'after',
      `\nNeeds KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL; see .env.example for all settings. Metrics and health are
served on PIPELINE_METRICS_PORT; with N workers on as many ports from there on.`,
    )
    .action(async ({ workers }: { workers?: number }) => {
      const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'])
      const log = createLogger('pipeline', settings.LOG_LEVEL)
      logUncaught(log)
      armFailpoint(settings.WEIR_FAILPOINT)
      const closing = new AbortController()
      onStopSignal(
        (signal) => {
          log.info({ signal }, 'stopping; once more to stop at once')
          closing.abort()
        },
        () => process.exit(1),
      )
      // A worker whose parent is gone has nobody to start it again. To wait for that must not keep it alive.
      process.on('disconnect', () => closing.abort())
      process.channel?.unref()

      const processes = workers ?? settings.WORKERS
      if (processes > 1) {
        await superviseWorkers({
          count: processes,
          metricsPort: settings.PIPELINE_METRICS_PORT,
          graceMs: 1000 * settings.SHUTDOWN_SECONDS + 2000,
          log,
          closing: closing.signal,
        })
      } else {
        await runUntilClosing(settings, log, closing.signal)
      }
      log.info('stopped')
      process.exit(0) // kafkajs may keep a reconnecting socket alive
    })
}

/** A server that does not answer may hold up the start, but not the stop: nothing is lost by not waiting for it. */
async function runUntilClosing(settings: PipelineSettings, log: Logger, closing: AbortSignal): Promise<void> {
  const starting = startPipeline(settings, log)
  const running = starting.then((pipeline) => pipeline.done)
  running.catch(() => {}) // when it is too late to matter
  if (!closing.aborted) await Promise.race([running, once(closing, 'abort')])
  if (!closing.aborted) return
  if (await within(settings.SHUTDOWN_SECONDS * 1000, starting)) await (await starting).stop()
}

function count(text: string): number {
  const number = Number(text)
  if (!(Number.isInteger(number) && number >= 1 && number <= 64))
    throw new InvalidArgumentError('expected 1 to 64')
  return number
}
