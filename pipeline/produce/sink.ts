import type avro from 'avsc'
import type { Message, Producer } from 'kafkajs'
import { createKafka, createTopics } from '../../schemas/kafka.ts'
import { explainFirstContact, explainKafka } from '../../schemas/kafka-advice.ts'
import { type Label, labelType } from '../../schemas/label.ts'
import type { Logger } from '../../schemas/log.ts'
import { labelSchemaId, transactionSchemaId } from '../../schemas/registry.ts'
import { type RegistryAccess, registryAddress } from '../../schemas/registry-access.ts'
import { mayCreateTopics, mayRegisterSchemas, type Needed } from '../../schemas/settings.ts'
import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { keyPartitioner } from './partitioner.ts'

/** Where transactions are sent, or labels. */
export interface Sink<T> {
  /**
   * Resolves when all are acknowledged. May be called again before that; the order is kept.
   * @throws when one could not be stored; nothing that was sent later is stored then
   */
  send(items: T[]): Promise<void>
  /** Waits for what was sent, then lets go of the connections. */
  close(): Promise<void>
}

export type TransactionSink = Sink<Transaction>

export interface KafkaSinkOptions {
  settings: Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL'>
  log: Logger
}

/**
 * Bytes of one request, at most. All of it may be one partition's, whose record batch the broker takes up to
 * message.max.bytes, 1 MiB by default.
 */
const MAX_REQUEST_BYTES = 900_000
/** Some four minutes; kafkajs alone would give a record up after 5 tries, idempotent or not. */
const RETRY = { retries: 50, maxRetryTime: 5000 }
/** What Kafka's format adds to a record's key and value. */
const RECORD_OVERHEAD_BYTES = 24

/** What a topic holds, and how. */
interface Content<T> {
  topic: string
  schemaId: (access: RegistryAccess, topic: string, mayRegister: boolean) => Promise<number>
  type: avro.Type
  keyOf: (item: T) => string
}

/**
 * A sink that writes to the transactions topic: idempotent, acks=all, keyed by account_id.
 * Makes the topics and registers the schema where the settings allow it.
 * @throws when Kafka or the registry is away, or the topic or the schema is missing and may not be made
 */
export const kafkaSink = (options: KafkaSinkOptions): Promise<TransactionSink> =>
  openSink(options, {
    topic: options.settings.TRANSACTIONS_TOPIC,
    schemaId: transactionSchemaId,
    type: transactionType,
    keyOf: (transaction) => transaction.account_id,
  })

/** The same for the labels topic, keyed by transaction_id. */
export const labelSink = (options: KafkaSinkOptions): Promise<Sink<Label>> =>
  openSink(options, {
    topic: options.settings.LABELS_TOPIC,
    schemaId: labelSchemaId,
    type: labelType,
    keyOf: (label) => label.transaction_id,
  })

async function openSink<T>(
  { settings, log }: KafkaSinkOptions,
  { topic, schemaId, type, keyOf }: Content<T>,
): Promise<Sink<T>> {
  const kafka = createKafka(settings, 'weir-produce', withoutWarnings(log))
  const refused = (error: Error): never => {
    throw explainKafka(error, settings)
  }
  await prepareTopic(kafka, topic, settings)
  const id = await schemaId(settings, topic, mayRegisterSchemas(settings)).catch(
    explain(`no schema for the topic ${topic} from SCHEMA_REGISTRY_URL ${registryAddress(settings)}`),
  )
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: keyPartitioner,
    retry: RETRY,
  })
  await producer.connect().catch(refused)

  // One request at a time: when one fails, kafkajs gives its sequence numbers back, and a concurrent one takes them.
  // A broker that had stored the first one then refuses the second, or takes it for the first and stores nothing
  // (tulios/kafkajs#1050).
  let last: Promise<void> = Promise.resolve()
  return {
    send(items) {
      const messages = items.map((item) => ({ key: keyOf(item), value: frame(id, type, item) }))
      last = last.then(() => sendAll(producer, topic, messages)).catch(refused)
      return last
    },
    async close() {
      await last.catch(() => {})
      await producer.disconnect()
    },
  }
}

/** kafkajs warns that an idempotent producer should try for ever; but a command must end at some time. */
const withoutWarnings = (log: Logger): Logger =>
  log.isLevelEnabled('warn') ? log.child({}, { level: 'error' }) : log

async function prepareTopic(
  kafka: ReturnType<typeof createKafka>,
  topic: string,
  settings: KafkaSinkOptions['settings'],
) {
  const admin = kafka.admin()
  try {
    await admin
      .connect()
      .catch(explain(`cannot reach Kafka at KAFKA_BROKERS ${settings.KAFKA_BROKERS.join(',')}`))
    if (mayCreateTopics(settings)) await createTopics(admin, settings)
    else if (!(await admin.listTopics()).includes(topic)) {
      throw new Error(
        `the topic ${topic} does not exist; create it, or set CREATE_TOPICS=true. (Where Kafka has ACLs: a user who may ` +
          'not WRITE or DESCRIBE a topic is told that there is none.)',
      )
    }
  } catch (error) {
    throw explainFirstContact(error as Error, settings)
  } finally {
    await admin.disconnect()
  }
}

/** Sends the messages in requests that the broker takes. */
async function sendAll(producer: Producer, topic: string, messages: Message[]): Promise<void> {
  let from = 0
  let bytes = 0
  for (const [i, message] of messages.entries()) {
    const size = message.value!.length + Buffer.byteLength(message.key!) + RECORD_OVERHEAD_BYTES
    if (bytes + size > MAX_REQUEST_BYTES && i > from) {
      await producer.send({ topic, messages: messages.slice(from, i), acks: -1 })
      from = i
      bytes = 0
    }
    bytes += size
  }
  if (from < messages.length) await producer.send({ topic, messages: messages.slice(from), acks: -1 })
}

const explain =
  (what: string) =>
  (cause: Error): never => {
    throw new Error(`${what}: ${cause.message}`, { cause })
  }
