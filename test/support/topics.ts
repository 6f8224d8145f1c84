import { randomBytes } from 'node:crypto'
import kafkajs, { type Admin, type KafkaMessage, type Message } from 'kafkajs'
import { kafkaSink, labelSink } from '../../pipeline/produce/sink.ts'
import { createKafka } from '../../schemas/kafka.ts'
import type { Label } from '../../schemas/label.ts'
import { createLogger } from '../../schemas/log.ts'
import { transactionSchemaId } from '../../schemas/registry.ts'
import type { Needed } from '../../schemas/settings.ts'
import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'

export type KafkaSettings = Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL'>

export const quiet = createLogger('test', 'silent')

/** A record as a topic holds it. */
export type StoredMessage = Pick<KafkaMessage, 'offset' | 'timestamp' | 'key' | 'value' | 'headers'> & {
  partition: number
}

const kafkaOf = (settings: KafkaSettings) => createKafka(settings, 'weir-test', quiet)

/** Sends transactions the way `npm run produce` does. Resolves when all are acknowledged. */
export async function sendTransactions(settings: KafkaSettings, transactions: Transaction[]): Promise<void> {
  const sink = await kafkaSink({ settings, log: quiet })
  try {
    await sink.send(transactions)
  } finally {
    await sink.close()
  }
}

/** Sends labels the way `npm run labels` does. Resolves when all are acknowledged. */
export async function sendLabels(settings: KafkaSettings, labels: Label[]): Promise<void> {
  const sink = await labelSink({ settings, log: quiet })
  try {
    await sink.send(labels)
  } finally {
    await sink.close()
  }
}

/** Sends messages as they are to the transactions topic or another one, in order. */
export async function sendMessages(
  settings: KafkaSettings,
  messages: Message[],
  topic = settings.TRANSACTIONS_TOPIC,
): Promise<void> {
  const producer = kafkaOf(settings).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  try {
    await producer.send({ topic, messages, acks: -1 })
  } finally {
    await producer.disconnect()
  }
}

/** Turns transactions into messages, with our schema registered under the topic's subject. */
export async function encoder(
  settings: KafkaSettings,
): Promise<(tx: Transaction) => Message & { value: Buffer }> {
  const id = await transactionSchemaId(settings, settings.TRANSACTIONS_TOPIC, true)
  return (tx) => ({ key: tx.account_id, value: frame(id, transactionType, tx) })
}

export async function withAdmin<T>(settings: KafkaSettings, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaOf(settings).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Lets the transactions topic take large records, and records with any time of their own. */
export const takeAnything = (settings: KafkaSettings): Promise<unknown> =>
  withAdmin(settings, (admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: settings.TRANSACTIONS_TOPIC,
          configEntries: [
            { name: 'max.message.bytes', value: String(64 * 2 ** 20) },
            { name: 'message.timestamp.after.max.ms', value: '9223372036854775807' },
          ],
        },
      ],
    }),
  )

/** The next offset of each partition of a topic. */
export async function endOffsets(
  settings: KafkaSettings,
  topic = settings.TRANSACTIONS_TOPIC,
): Promise<number[]> {
  const offsets = await withAdmin(settings, (admin) => admin.fetchTopicOffsets(topic))
  return offsets.toSorted((a, b) => a.partition - b.partition).map((o) => Number(o.high))
}

/** All records of a topic, by partition and offset. */
export async function readTopic(settings: KafkaSettings, topic: string): Promise<StoredMessage[]> {
  const ends = await endOffsets(settings, topic)
  const records: StoredMessage[] = []
  if (ends.every((end) => end === 0)) return records
  const left = new Set(ends.keys().filter((partition) => ends[partition] > 0))
  const consumer = kafkaOf(settings).consumer({ groupId: `test-${randomBytes(6).toString('hex')}` })
  const complete = Promise.withResolvers<void>()
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const { offset, timestamp, key, value, headers } of batch.messages)
          records.push({
            offset: String(offset),
            timestamp: String(timestamp),
            key,
            value,
            headers,
            partition: batch.partition,
          })
        if (Number(batch.lastOffset()) + 1 >= ends[batch.partition]) left.delete(batch.partition)
        if (left.size === 0) complete.resolve()
      },
    })
    await complete.promise
  } finally {
    await consumer.disconnect()
  }
  return records.toSorted((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset))
}
