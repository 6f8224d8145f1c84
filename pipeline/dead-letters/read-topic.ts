import { randomUUID } from 'node:crypto'
import type { Admin, Consumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import type { Logger } from '../../schemas/log.ts'

export interface Topic {
  kafka: Kafka
  admin: Admin
  log: Logger
  topic: string
  /** The groups' names begin with it: so one permission covers them. */
  groupPrefix: string
  signal: AbortSignal
}

/** Offsets of a partition: from `from` on, before `to`. */
export interface Range {
  from: number
  to: number
}
export type Ranges = Map<number, Range>

export type OnRecord = (partition: number, message: KafkaMessage) => void | Promise<void>

const LOOK_MS = 5000
const STALLED_MS = 60_000

/**
 * What the topic holds at this moment.
 * @throws if there is no such topic
 */
export async function currentRanges({ admin, topic }: Topic): Promise<Ranges> {
  if (!(await admin.listTopics()).includes(topic)) {
    throw new Error(
      `the topic ${topic} does not exist in this Kafka. DEAD_LETTER_TOPIC names it; the pipeline makes it where ` +
        'CREATE_TOPICS allows',
    )
  }
  const offsets = await admin.fetchTopicOffsets(topic)
  return new Map(offsets.map((o) => [o.partition, { from: Number(o.low), to: Number(o.high) }]))
}

export const countOf = (ranges: Ranges): number =>
  [...ranges.values()].reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)

/**
 * Reads the ranges, each partition in order, each record once. Commits nothing, and its group is gone afterwards.
 * @throws when aborted, when Kafka gives nothing for a minute, or what `onRecord` throws
 */
export async function readTopic(topic: Topic, ranges: Ranges, onRecord: OnRecord): Promise<void> {
  if (countOf(ranges) === 0) return
  const groupId = `${topic.groupPrefix}-dead-letters-${randomUUID()}`
  const consumer = topic.kafka.consumer({ groupId, maxWaitTimeInMs: 100, allowAutoTopicCreation: false })
  const reading = new Reading(consumer, topic, ranges, onRecord)
  try {
    await reading.run()
  } finally {
    await consumer.disconnect()
    // The broker drops an empty group by itself, too, but later.
    await topic.admin
      .deleteGroups([groupId])
      .catch((error) => topic.log.debug({ err: error }, 'the group is not deleted'))
  }
}

class Reading {
  readonly #consumer: Consumer
  readonly #topic: Topic
  readonly #onRecord: OnRecord
  /** What is left of each partition. kafkajs may deliver again from the beginning, after a rebalance. */
  readonly #left: Ranges
  readonly #end = Promise.withResolvers<void>()
  #movedAt = performance.now()

  constructor(consumer: Consumer, topic: Topic, ranges: Ranges, onRecord: OnRecord) {
    this.#consumer = consumer
    this.#topic = topic
    this.#onRecord = onRecord
    const nonEmpty = [...ranges].filter(([, { from, to }]) => from < to)
    this.#left = new Map(nonEmpty.map(([partition, range]) => [partition, { ...range }]))
  }

  async run(): Promise<void> {
    const { topic, signal } = this.#topic
    const { CRASH, START_BATCH_PROCESS } = this.#consumer.events
    this.#end.promise.catch(() => {})
    this.#consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.#end.reject(payload.error)
    })
    // Records that consumers never see (of aborted transactions) come as an empty batch, to listeners only.
    this.#consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.#moved(payload.partition, Number(payload.lastOffset) + 1)
    })
    const abort = () => this.#end.reject(signal.reason)
    signal.addEventListener('abort', abort)
    const look = setInterval(() => this.#lookAfter().catch(this.#end.reject), LOOK_MS)
    try {
      signal.throwIfAborted()
      await this.#consumer.connect()
      await this.#consumer.subscribe({ topics: [topic], fromBeginning: true })
      await this.#consumer.run({ autoCommit: false, eachBatch: (payload) => this.#take(payload) })
      for (const [partition, { from }] of this.#left)
        this.#consumer.seek({ topic, partition, offset: String(from) })
      await this.#end.promise
    } finally {
      clearInterval(look)
      signal.removeEventListener('abort', abort)
    }
  }

  async #take({ batch, heartbeat, pause, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const range = this.#left.get(batch.partition)
    if (range === undefined) {
      pause()
      return
    }
    for (const message of batch.messages) {
      const offset = Number(message.offset)
      if (offset < range.from) continue
      if (offset >= range.to) break
      // Not to the end: the rest is delivered again.
      if (this.#topic.signal.aborted || !isRunning() || isStale()) return
      // Before it is handled: should that fail, it is not to be delivered again.
      range.from = offset + 1
      this.#movedAt = performance.now()
      try {
        await this.#onRecord(batch.partition, message)
      } catch (error) {
        this.#end.reject(error)
        return
      }
      // Its errors are kafkajs' own to handle: it joins again. It does nothing if it was called a moment ago.
      await heartbeat()
    }
    this.#moved(batch.partition, Number(batch.lastOffset()) + 1)
  }

  #moved(partition: number, next: number): void {
    const range = this.#left.get(partition)
    if (range === undefined) return
    this.#movedAt = performance.now()
    if (next >= range.to) this.#left.delete(partition)
    if (this.#left.size === 0) this.#end.resolve()
  }

  /** What retention deletes meanwhile never comes; and a Kafka that is away must not be waited for in silence. */
  async #lookAfter(): Promise<void> {
    const still = performance.now() - this.#movedAt
    if (still < LOOK_MS) return
    if (still > STALLED_MS)
      throw new Error(`Kafka gave nothing of ${this.#topic.topic} for a minute: giving up`)
    const ranges = await currentRanges(this.#topic).catch(() => new Map() as Ranges)
    for (const partition of [...this.#left.keys()]) {
      const from = ranges.get(partition)?.from
      if (from !== undefined && from >= this.#left.get(partition)!.to) this.#moved(partition, from)
    }
  }
}
