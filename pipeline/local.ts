import type { Logger } from '../schemas/log.ts'
import type { Needed } from '../schemas/settings.ts'
import { transactionType } from '../schemas/transaction.ts'
import { Writers } from './decode/writers.ts'
import type { TransactionSink } from './produce/sink.ts'
import { type RunningPipeline, runStages } from './run.ts'
import { LOCAL_TOPIC, LocalSource } from './source/local-source.ts'
import { fileDeadLetters } from './store/dead-letters.ts'

/**
 * Starts the pipeline without Kafka and registry: what is sent to `sink` goes through the same stages into PostgreSQL.
 * @param deadLetterFile where rejected records are appended, as JSON lines
 */
export async function startLocalPipeline(
  settings: Needed<'DATABASE_URL'>,
  deadLetterFile: string,
  log: Logger,
): Promise<{ pipeline: RunningPipeline; sink: TransactionSink }> {
  let sink: LocalSource | undefined
  const pipeline = await runStages(settings, LOCAL_TOPIC, log, ({ closing, ownership, progress }) => {
    const source = new LocalSource({
      ...ownership,
      partitions: settings.TOPIC_PARTITIONS,
      queueBatches: settings.QUEUE_BATCHES,
      onFetched: (partition, highWatermark) => progress.onFetched(partition, highWatermark),
      onAssigned: (partitions) => progress.onAssigned(partitions),
      onTaken: (partition, position) => progress.onTaken(partition, position),
    })
    sink = source
    const registry = { getSchema: async () => transactionType as never }
    return {
      source,
      writers: new Writers(registry, log, closing),
      deadLetters: fileDeadLetters(deadLetterFile),
      close: async () => {},
    }
  })
  return { pipeline, sink: sink as LocalSource }
}
