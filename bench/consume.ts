import { randomUUID } from 'node:crypto'
import type { KafkaMessage } from 'kafkajs'
import { createKafka } from '../schemas/kafka.ts'
import type { KafkaAccess } from '../schemas/kafka-access.ts'
import { createLogger } from '../schemas/log.ts'

export interface ConsumeOptions {
  kafka: KafkaAccess
  topic: string
  /** Ends after so many. */
  records: number
  /** Called with each fetched batch of a partition, in order; waited for. */
  onBatch: (partition: number, messages: KafkaMessage[]) => void | Promise<void>
  signal?: AbortSignal
}

/**
 * Reads a topic from its beginning, fetching as the pipeline's source does.
 * @returns seconds from the moment the partitions are assigned, which is before the first fetch, to the last record
 */
export async function consumeAll({
  kafka,
  topic,
  records,
  onBatch,
  signal,
}: ConsumeOptions): Promise<number> {
  const log = createLogger('bench', 'silent')
  const consumer = createKafka(kafka, 'weir-bench', log).consumer({
    groupId: `${topic}-${randomUUID()}`,
    // The settings of pipeline/source/kafka-source.ts.
    sessionTimeout: 30_000,
    heartbeatInterval: 3000,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 1024 * 1024,
    maxBytes: 16 * 1024 * 1024,
    allowAutoTopicCreation: false,
  })
  const done = Promise.withResolvers<number>()
  done.promise.catch(() => {}) // it may fail before it is waited for
  signal?.addEventListener('abort', () => done.reject(signal.reason))
  let began = 0
  let count = 0
  consumer.on(consumer.events.GROUP_JOIN, () => {
    began ||= performance.now()
  })
  // What passes, as a coordinator that is loading, kafkajs waits for and starts again.
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) done.reject(payload.error)
  })
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        await onBatch(batch.partition, batch.messages)
        count += batch.messages.length
        if (count >= records) done.resolve((performance.now() - began) / 1000)
      },
    })
    return await done.promise
  } finally {
    await consumer.disconnect()
  }
}
