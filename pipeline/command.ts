import { Command, InvalidArgumentError } from 'commander'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { onStopSignal } from '../schemas/stop-signals.ts'
import { armFailpoint } from './failpoint.ts'
import { startPipeline } from './main.ts'
import { superviseWorkers } from './workers.ts'

export function command(): Command {
  return new Command()
    .description('Score the transactions of the topic and store them in PostgreSQL, until stopped.')
    .option('--workers <n>', 'processes that share the partitions; default: the setting WORKERS', count)
    .addHelpText(
      'after',
      '\nNeeds KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL; see .env.example for all settings.',
    )
    .action(async ({ workers }: { workers?: number }) => {
      const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'])
      const log = createLogger('pipeline', settings.LOG_LEVEL)
      armFailpoint(settings.WEIR_FAILPOINT)
      const closing = new AbortController()
      onStopSignal(
        (signal) => {
          log.info({ signal }, 'stopping; once more to stop at once')
          closing.abort()
        },
        () => process.exit(1),
      )
      // A worker whose parent is gone has nobody to start it again.
      process.on('disconnect', () => closing.abort())

      const processes = workers ?? settings.WORKERS
      if (processes > 1) {
        await superviseWorkers({
          count: processes,
          metricsPort: settings.PIPELINE_METRICS_PORT,
          log,
          closing: closing.signal,
        })
      } else {
        const pipeline = await startPipeline(settings, log)
        closing.signal.addEventListener('abort', () => {
          pipeline.stop().catch((error) => log.error({ err: error }, 'stopping failed'))
        })
        if (closing.signal.aborted) await pipeline.stop()
        await pipeline.done
      }
      log.info('stopped')
      process.exit(0) // kafkajs may keep a reconnecting socket alive
    })
}

function count(text: string): number {
  const number = Number(text)
  if (!(Number.isInteger(number) && number >= 1 && number <= 64))
    throw new InvalidArgumentError('expected 1 to 64')
  return number
}
