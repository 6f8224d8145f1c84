import { createKafka, createTopics } from '../schemas/kafka.ts'
import type { Logger } from '../schemas/log.ts'
import { createSchemaReader } from '../schemas/registry.ts'
import { mayCreateTopics, type Needed } from '../schemas/settings.ts'
import { Writers } from './decode/writers.ts'
import { keepLabels } from './labels/keep-labels.ts'
import { keyPartitioner } from './produce/partitioner.ts'
import { type RunningPipeline, runStages } from './run.ts'
import { KafkaSource } from './source/kafka-source.ts'
import { kafkaDeadLetters } from './store/dead-letters.ts'

export type PipelineSettings = Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL'>

/** Starts the pipeline over Kafka, the schema registry and PostgreSQL. It then runs until it is stopped or fails. */
export async function startPipeline(settings: PipelineSettings, log: Logger): Promise<RunningPipeline> {
  const topic = settings.TRANSACTIONS_TOPIC
  const kafka = createKafka(settings.KAFKA_BROKERS, settings.KAFKA_GROUP_ID, log)
  const admin = kafka.admin()
  try {
    await admin.connect()
    if (mayCreateTopics(settings)) await createTopics(admin, settings)
  } catch (cause) {
    const { message } = cause as Error
    throw new Error(`Kafka at ${settings.KAFKA_BROKERS} (KAFKA_BROKERS) cannot be used: ${message}`, {
      cause,
    })
  } finally {
    await admin.disconnect()
  }

  // Not idempotent: after a failure kafkajs may use a sequence number for another record, which the broker then
  // acknowledges without storing it (tulios/kafkajs#1050). A dead letter twice is known by its origin.
  const producer = kafka.producer({ createPartitioner: keyPartitioner })
  await producer.connect()
  const deadLetters = kafkaDeadLetters(producer, settings.DEAD_LETTER_TOPIC)
  const running = runStages(settings, topic, log, ({ closing, ownership, progress }) => {
    const writers = new Writers(createSchemaReader(settings.SCHEMA_REGISTRY_URL), log, closing)
    const source = new KafkaSource({
      ...ownership,
      kafka,
      topic,
      groupId: settings.KAFKA_GROUP_ID,
      sessionTimeoutMs: settings.KAFKA_SESSION_TIMEOUT_MS,
      batchMaxRecords: settings.BATCH_MAX_RECORDS,
      queueBatches: settings.QUEUE_BATCHES,
      writers,
      closing,
      onFetched: (partition, highWatermark) => progress.onFetched(partition, highWatermark),
      onAssigned: (partitions) => progress.onAssigned(partitions),
      onTaken: (partition, position) => progress.onTaken(partition, position),
    })
    return {
      source,
      writers,
      deadLetters,
      close: () => producer.disconnect(),
    }
  })
  // A connection that stays open would keep a process that failed to start.
  running.catch(() => producer.disconnect())
  const pipeline = await running
  const stopLabels = keepLabels({ settings, kafka, deadLetters, metrics: pipeline.metrics, log })
  const limit = settings.SHUTDOWN_SECONDS * 1000
  const done = pipeline.done.finally(() => stopLabels(limit * 0.1))
  done.catch(() => {}) // whoever awaits it sees the error; nobody must
  return {
    ...pipeline,
    done,
    async stop() {
      await Promise.all([stopLabels(limit * 0.9), pipeline.stop()])
    },
  }
}
