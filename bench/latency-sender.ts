import type { ICustomPartitioner } from 'kafkajs'
import { createKafka } from '../schemas/kafka.ts'
import { createLogger } from '../schemas/log.ts'
import { transactionSchemaId } from '../schemas/registry.ts'
import { loadSettings } from '../schemas/settings.ts'
import { Latencies } from './latencies.ts'
import { dueAt, type OpenLoop, sendOpenLoop } from './open-loop.ts'
import { PackedRecords } from './packed-records.ts'
import { transactions } from './workload.ts'

/**
 * A process of its own that sends records open loop: each is due at a time that does not hang on those before, and
 * bears that time as its Kafka timestamp, however late it is sent. All are generated and encoded beforehand.
 * Tells its parent that it is ready, then what became of each order; the orders go on where the last one ended.
 */

export interface LatencyOrder extends OpenLoop {
  /** When the first record is due, by the machine's clock (`monotonicMs`). */
  begin: number
  /** The same moment as whole milliseconds since 1970. */
  beginTimestamp: number
  /** Records at the beginning whose times are not reported. */
  warmUpRecords: number
}

export interface LatencySent {
  /** All that counts, sent a second. */
  sent_rate: number
  /** From the time that a record was due to its being handed to the client. */
  sender_late_p99_ms: number
  /** From the time that a record was due to Kafka's acknowledgement. */
  acknowledged_p50_ms: number
  acknowledged_p99_ms: number
}

/**
 * kafkajs' idempotent producer has one request under way and makes the others queue, each by itself: there are several
 * of them, each with partitions of its own, and what comes due while a request is under way shares the next one.
 */
const PRODUCERS = 2

const byGivenPartition: ICustomPartitioner =
  () =>
  ({ message }) =>
    message.partition!

const [records, accounts] = process.argv.slice(2).map(Number)
const settings = loadSettings(['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'])
const { TRANSACTIONS_TOPIC: topic, TOPIC_PARTITIONS } = settings
const schemaId = await transactionSchemaId(settings, topic, true)
const stream = transactions({ records, accounts, ids: 'sequential' })
const packed = new PackedRecords(stream, records, schemaId, TOPIC_PARTITIONS)
const kafka = createKafka(settings, 'weir-bench-sender', createLogger('bench', 'silent'))
const producers = Array.from({ length: PRODUCERS }, () =>
  kafka.producer({
    idempotent: true,
    allowAutoTopicCreation: false,
    createPartitioner: byGivenPartition,
  }),
)
for (const producer of producers) await producer.connect()
let first = 0

process.on('message', async (order: LatencyOrder) => {
  const from = first
  first += order.records
  process.send!(await sendAll(order, from))
})
process.send!({ ready: true })

async function sendAll(order: LatencyOrder, from: number): Promise<LatencySent> {
  const { begin, beginTimestamp, warmUpRecords, records, rate } = order
  const lateness = new Latencies()
  const acknowledgements = new Latencies()
  let last = begin
  const message = (n: number) => ({
    ...packed.at(from + n),
    partition: packed.partition(from + n),
    timestamp: String(beginTimestamp + Math.floor(dueAt(n, order))),
  })
  const sendings = producers.map((producer, share) =>
    sendOpenLoop({
      records,
      rate,
      begin,
      isOurs: (n) => packed.partition(from + n) % PRODUCERS === share,
      send: async (batch) => void (await producer.send({ topic, messages: batch.map(message), acks: -1 })),
      onSent(n, due, sent, acknowledged) {
        if (n < warmUpRecords) return
        lateness.add(sent - due)
        acknowledgements.add(acknowledged - due)
        last = Math.max(last, sent)
      },
    }),
  )
  await Promise.all(sendings)
  // The last record is due a gap before the time is over.
  const ms = Math.max(last - begin, dueAt(records - 1, order)) + 1000 / rate - dueAt(warmUpRecords, order)
  return {
    sent_rate: Math.round((lateness.count * 1000) / ms),
    sender_late_p99_ms: lateness.at(99),
    acknowledged_p50_ms: acknowledgements.at(50),
    acknowledged_p99_ms: acknowledgements.at(99),
  }
}
