import type { Admin, Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import type { Label } from '../../schemas/label.ts'
import type { Logger } from '../../schemas/log.ts'
import { unknownIds } from '../decode/schema-ids.ts'
import type { Writers } from '../decode/writers.ts'
import type { Metrics } from '../metrics.ts'
import { recordsOf } from '../source/records-of.ts'
import { whileAlive } from '../source/while-alive.ts'
import type { DeadLetters } from '../store/dead-letters.ts'
import { watch } from '../watchdog.ts'
import type { LabelTable } from './label-table.ts'
import { readLabel } from './read-label.ts'
import { type LabelBatch, storeLabels } from './store-labels.ts'

export interface LabelConsumerOptions {
  kafka: Kafka
  topic: string
  groupId: string
  sessionTimeoutMs: number
  /** So long without progress is a stall. */
  stallMs: number
  writers: Writers<Label>
  table: LabelTable
  deadLetters: DeadLetters
  metrics: Metrics
  log: Logger
  closing: AbortSignal
}

/** Records of one statement: little enough that the transactions' stages hardly wait for their turn. */
const CHUNK_RECORDS = 500

/**
 * Labels from Kafka into PostgreSQL. At least once: an offset is committed when what stands before it is stored, and a
 * label that is read again is there already.
 */
export class LabelConsumer {
  readonly #options: LabelConsumerOptions
  readonly #consumer: Consumer
  readonly #admin: Admin
  readonly #heartbeatMs: number
  readonly #over = new AbortController()
  readonly #failed = Promise.withResolvers<never>()
  /** Ours, since the last join. */
  #partitions: readonly number[] = []
  /** Those, with the offsets that are committed, when Kafka was last asked. */
  #committed: { partition: number; committed: number }[] = []
  #isWaiting = false

  constructor(options: LabelConsumerOptions) {
    const { kafka, groupId, sessionTimeoutMs } = options
    this.#options = options
    this.#heartbeatMs = Math.floor(sessionTimeoutMs * 0.3)
    this.#admin = kafka.admin()
    this.#consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: 2 * sessionTimeoutMs,
      heartbeatInterval: this.#heartbeatMs,
      maxWaitTimeInMs: 250,
      maxBytesPerPartition: 256 * 1024,
      maxBytes: 1024 * 1024,
      allowAutoTopicCreation: false,
      // Its own restart comes by a timer that no stop knows of: one that is stopped just then would live on.
      retry: { retries: 8, restartOnFailure: async () => false },
    })
    this.#failed.promise.catch(() => {})
  }

  /** Resolves when closing. @throws when the client gives up: another one must go on */
  async run(): Promise<void> {
    const { topic, closing } = this.#options
    const { GROUP_JOIN, CRASH } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#partitions = payload.memberAssignment[topic] ?? []
      this.#options.metrics.labelsLag.reset()
    })
    this.#consumer.on(CRASH, ({ payload }) => this.#failed.reject(payload.error))
    try {
      await this.#admin.connect()
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [topic], fromBeginning: true })
      await this.#consumer.run({
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#take(payload),
      })
      await Promise.race([this.#failed.promise, this.#watch()])
    } catch (error) {
      if (!closing.aborted) throw error
    } finally {
      this.#over.abort()
      await Promise.allSettled([this.#consumer.disconnect(), this.#admin.disconnect()])
    }
  }

  async #take({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const { messages, partition } = batch
    const high = Number(batch.highWatermark)
    for (let from = 0; from < messages.length; from += CHUNK_RECORDS) {
      const some = messages.slice(from, from + CHUNK_RECORDS)
      this.#setLag(partition, high - Number(some[0].offset))
      // Of a rejoin the work is begun again by whoever gets the partition.
      const work = new AbortController()
      const signal = AbortSignal.any([this.#over.signal, this.#options.closing, work.signal])
      try {
        await whileAlive(this.#store(partition, some, signal), heartbeat, this.#heartbeatMs)
      } catch (error) {
        work.abort()
        // What is not resolved comes again.
        if (this.#options.closing.aborted || this.#over.signal.aborted) return
        throw error
      }
      const last = some[some.length - 1].offset
      resolveOffset(last)
      this.#setLag(partition, high - Number(last) - 1)
      if (!isRunning() || isStale()) return
      await heartbeat()
    }
  }

  async #store(partition: number, messages: KafkaMessage[], signal: AbortSignal): Promise<void> {
    const { topic, writers, metrics } = this.#options
    const records = recordsOf(messages)
    // Looked at again: while some were loaded others may have been forgotten.
    for (let { ids } = unknownIds(records, writers); ids.size > 0; { ids } = unknownIds(records, writers))
      await writers.load(ids)
    const batch: LabelBatch = { topic, partition, labels: [], rejects: [] }
    for (const record of records) {
      const label = readLabel(record, writers)
      if (typeof label === 'string') batch.rejects.push({ record, code: 'INVALID_LABEL', message: label })
      else batch.labels.push({ label, record })
    }
    signal.throwIfAborted()
    const { fraud, genuine } = await storeLabels(batch, {
      ...this.#options,
      signal,
      onWaiting: (isWaiting) => {
        this.#isWaiting = isWaiting
      },
    })
    metrics.labels.inc({ verdict: 'fraud' }, fraud)
    metrics.labels.inc({ verdict: 'genuine' }, genuine)
    metrics.labelsRepeated.inc(records.length - batch.rejects.length - fraud - genuine)
    metrics.deadLetters.inc({ code: 'INVALID_LABEL' }, batch.rejects.length)
  }

  #setLag(partition: number, lag: number): void {
    this.#options.metrics.labelsLag.set({ partition: String(partition) }, Math.max(0, lag))
  }

  /** kafkajs has hangs that end in no error: a new client is what helps. */
  #watch(): Promise<void> {
    const { writers, closing } = this.#options
    return watch({
      ...this.#options,
      owned: () => this.#committed,
      ends: () => this.#ends(),
      excused: () => this.#isWaiting || writers.isWaiting,
      rejoin: async () => this.#failed.reject(new Error('no labels come although there are some')),
      closing: AbortSignal.any([closing, this.#over.signal]),
    })
  }

  async #ends(): Promise<Map<number, number>> {
    const { topic, groupId } = this.#options
    const [ranges, [{ partitions }]] = await Promise.all([
      this.#admin.fetchTopicOffsets(topic),
      this.#admin.fetchOffsets({ groupId, topics: [topic] }),
    ])
    const committed = new Map(partitions.map((p) => [p.partition, Number(p.offset)]))
    this.#committed = ranges
      .filter(({ partition }) => this.#partitions.includes(partition))
      .map(({ partition, low }) => ({
        partition,
        committed: Math.max(Number(low), committed.get(partition) ?? 0),
      }))
    return new Map(ranges.map(({ partition, high }) => [partition, Number(high)]))
  }
}
