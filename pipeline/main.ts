import type { Admin } from 'kafkajs'
import { createKafka, createTopics } from '../schemas/kafka.ts'
import { explainFirstContact, explainKafka } from '../schemas/kafka-advice.ts'
import type { Logger } from '../schemas/log.ts'
import { createSchemaReader } from '../schemas/registry.ts'
import { refuseHopelessRegistry } from '../schemas/registry-access.ts'
import { mayCreateTopics, type Needed } from '../schemas/settings.ts'
import { Writers } from './decode/writers.ts'
import { keepLabels } from './labels/keep-labels.ts'
import { keyPartitioner } from './produce/partitioner.ts'
import { type RunningPipeline, runStages } from './run.ts'
import { KafkaSource } from './source/kafka-source.ts'
import { type DeadLetters, kafkaDeadLetters } from './store/dead-letters.ts'

export type PipelineSettings = Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL'>

/** A registry that is silent at the start is not waited for any longer. */
const REGISTRY_MS = 3000

/** Starts the pipeline over Kafka, the schema registry and PostgreSQL. It then runs until it is stopped or fails. */
export async function startPipeline(settings: PipelineSettings, log: Logger): Promise<RunningPipeline> {
  const topic = settings.TRANSACTIONS_TOPIC
  const kafka = createKafka(settings, settings.KAFKA_GROUP_ID, log)
  const admin = kafka.admin()
  const explain = (error: Error): never => {
    throw explainKafka(error, settings)
  }
  try {
    await admin.connect()
    if (mayCreateTopics(settings)) await createTopics(admin, settings)
    else await refuseUnseen(admin, settings.DEAD_LETTER_TOPIC)
  } catch (cause) {
    const { message } = explainFirstContact(cause as Error, settings)
    throw new Error(`Kafka at ${settings.KAFKA_BROKERS} (KAFKA_BROKERS) cannot be used: ${message}`, {
      cause,
    })
  } finally {
    await admin.disconnect()
  }
  await refuseHopelessRegistry(settings, REGISTRY_MS)

  // Not idempotent: after a failure kafkajs may use a sequence number for another record, which the broker then
  // acknowledges without storing it (tulios/kafkajs#1050). A dead letter twice is known by its origin.
  const producer = kafka.producer({ createPartitioner: keyPartitioner })
  await producer.connect().catch(explain)
  const deadLetters = explained(kafkaDeadLetters(producer, settings.DEAD_LETTER_TOPIC), explain)
  const running = runStages(settings, topic, log, ({ closing, ownership, progress }) => {
    const writers = new Writers(createSchemaReader(settings), log, closing)
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
  const pipeline = await running.catch(explain)
  const stopLabels = keepLabels({ settings, kafka, deadLetters, metrics: pipeline.metrics, log })
  const limit = settings.SHUTDOWN_SECONDS * 1000
  const done = pipeline.done.catch(explain).finally(() => stopLabels(limit * 0.1))
  done.catch(() => {}) // whoever awaits it sees the error; nobody must
  return {
    ...pipeline,
    done,
    async stop() {
      await Promise.all([stopLabels(limit * 0.9), pipeline.stop()])
    },
  }
}

/** That dead letters may not be written is better told now than with the first one. @throws when the topic may not be seen */
async function refuseUnseen(admin: Admin, topic: string): Promise<void> {
  try {
    await admin.fetchTopicMetadata({ topics: [topic] })
  } catch (error) {
    if ((error as { type?: string }).type === 'TOPIC_AUTHORIZATION_FAILED') throw error
  }
}

const explained = (deadLetters: DeadLetters, explain: (error: Error) => never): DeadLetters => ({
  send: (topic, partition, rejects) => deadLetters.send(topic, partition, rejects).catch(explain),
})
