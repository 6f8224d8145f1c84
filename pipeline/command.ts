import { Command } from 'commander'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { onStopSignal } from '../schemas/stop-signals.ts'
import { startPipeline } from './main.ts'

export function command(): Command {
  return new Command()
    .description('Score the transactions of the topic and store them in PostgreSQL, until stopped.')
    .addHelpText(
      'after',
      '\nNeeds KAFKA_BROKERS, SCHEMA_REGISTRY_URL and DATABASE_URL; see .env.example for all settings.',
    )
    .action(async () => {
      const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL', 'DATABASE_URL'])
      const log = createLogger('pipeline', settings.LOG_LEVEL)
      const pipeline = await startPipeline(settings, log)
      onStopSignal(
        (signal) => {
          log.info({ signal }, 'stopping; once more to stop at once')
          pipeline.stop().catch((error) => log.error({ err: error }, 'stopping failed'))
        },
        () => process.exit(1),
      )
      await pipeline.done
      log.info('stopped')
      process.exit(0) // kafkajs may keep a reconnecting socket alive
    })
}
