import type { Admin, Consumer, ConsumerGroupJoinEvent, EachBatchPayload, Kafka } from 'kafkajs'
import { createBatch, type Ownership } from '../batch.ts'
import { unknownIds } from '../decode/schema-ids.ts'
import type { Writers } from '../decode/writers.ts'
import { FatalError, type SourceRecord } from '../errors.ts'
import { type OffsetRange, type OwnershipOptions, refuseGap, takePartition } from '../store/ownerships.ts'
import { backOff, isWorthALine, reactionTo } from '../store/reactions.ts'
import { BatchQueue } from './batch-queue.ts'
import { Holes } from './holes.ts'
import { type LastRecord, refuseOther } from './last-record.ts'
import { offsetRange, offsetRanges } from './offset-ranges.ts'
import { recordsOf } from './records-of.ts'
import type { Source } from './source.ts'
import { stickyAssigner } from './sticky-assigner.ts'
import { unlessAborted, whileAlive } from './while-alive.ts'

export interface KafkaSourceOptions extends OwnershipOptions {
  kafka: Kafka
  topic: string
  groupId: string
  /** A killed member holds its partitions for this long. */
  sessionTimeoutMs: number
  batchMaxRecords: number
  queueBatches: number
  writers: Writers
  closing: AbortSignal
  /** A batch's high watermark, for the lag. */
  onFetched: (partition: number, highWatermark: number) => void
  onAssigned: (partitions: number[]) => void
  /** The partition's state is there: it flows from its position on. */
  onTaken: (partition: number, position: number) => void
}

/**
 * Batches from Kafka, each partition from its position in PostgreSQL on. kafkajs keeps the group's membership and the
 * fetching; which offset comes next is decided here.
 */
export class KafkaSource implements Source {
  readonly queue: BatchQueue
  readonly #options: KafkaSourceOptions
  readonly #consumer: Consumer
  readonly #admin: Admin
  readonly #owned = new Map<number, Ownership>()
  /** Counts the joins: work that was begun under an earlier one is given up. */
  #join = 0
  /** Recoveries under way. */
  taking = 0
  #answeredAt = performance.now()
  readonly #holes: Holes
  /** By the join under which they are being taken. */
  readonly #beingTaken = new Map<number, number>()
  /** Well within the session timeout. */
  readonly #heartbeatMs: number

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#heartbeatMs = Math.floor(options.sessionTimeoutMs * 0.3)
    this.queue = new BatchQueue(options.queueBatches)
    this.#holes = new Holes(this.queue)
    this.#admin = options.kafka.admin()
    this.#consumer = options.kafka.consumer({
      groupId: options.groupId,
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: 2 * options.sessionTimeoutMs,
      heartbeatInterval: this.#heartbeatMs,
      maxWaitTimeInMs: 100,
      // So much is in memory for each partition while the queue is full.
      maxBytesPerPartition: 1024 * 1024,
      maxBytes: 16 * 1024 * 1024,
      allowAutoTopicCreation: false,
      partitionAssigners: [stickyAssigner(options.topic, () => this.#owned.keys())],
      retry: { retries: 8 },
    })
  }

  /** It is asked ten times a second, or while the queue is full at each heartbeat. */
  get isAnswered(): boolean {
    return performance.now() - this.#answeredAt < Math.max(8000, 2 * this.#heartbeatMs)
  }

  async start(): Promise<void> {
    const { topic } = this.#options
    const { GROUP_JOIN, CRASH, START_BATCH_PROCESS, FETCH, HEARTBEAT } = this.#consumer.events
    const isAlive = () => {
      this.#answeredAt = performance.now()
    }
    this.#consumer.on(FETCH, isAlive)
    this.#consumer.on(HEARTBEAT, isAlive)
    this.#consumer.on(GROUP_JOIN, (event) => this.#joined(event))
    // kafkajs restarts itself after what it holds to pass; for the rest the process must end, since it would idle.
    this.#consumer.on(CRASH, ({ payload }) => {
      this.#join++
      if (!payload.restart) this.#fail(payload.error)
    })
    this.#consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.#passHole(payload.partition, payload.firstOffset, payload.lastOffset)
    })
    await this.#admin.connect()
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topics: [topic], fromBeginning: true })
    await this.#run()
  }

  #run(): Promise<void> {
    return this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) =>
        this.#take(payload).catch((error) => {
          if (error instanceof FatalError) this.#fail(error)
          throw error
        }),
    })
  }

  /** Leaves the group and joins it again; what was fetched flows on. */
  async rejoin(): Promise<void> {
    this.#join++
    await this.#consumer.stop()
    if (!this.#options.closing.aborted) await this.#run()
  }

  async ends(): Promise<Map<number, number>> {
    const ranges = await offsetRanges(this.#admin, this.#options.topic)
    return new Map([...ranges].map(([partition, { high }]) => [partition, high]))
  }

  /** Stops fetching; what was fetched flows on. */
  async stop(): Promise<void> {
    await Promise.allSettled([this.#consumer.disconnect(), this.#admin.disconnect()])
    this.queue.end()
  }

  /** Tells Kafka how far we are: for tools that show lag. The truth is in PostgreSQL. */
  async commit(owner: Ownership, nextOffset: number): Promise<void> {
    const { topic, partition } = owner
    if (!owner.lost) await this.#consumer.commitOffsets([{ topic, partition, offset: String(nextOffset) }])
  }

  owned(): Iterable<Ownership> {
    return this.#owned.values()
  }

  /** Takes a partition anew, from the stored position: after somebody else moved it. */
  async retake(owner: Ownership): Promise<void> {
    if (this.#owned.get(owner.partition) !== owner || this.#options.closing.aborted) return
    const { partition } = owner
    this.#options.log.warn(
      { partition },
      'the position was moved by somebody else; what was judged is forgotten',
    )
    owner.lost = true
    this.#consumer.pause([{ topic: owner.topic, partitions: [owner.partition] }])
    await this.#assign([owner.partition], this.#join)
  }

  /**
   * On a join kafkajs reverts to Kafka's committed offsets, and does not wait for listeners beyond their first await:
   * so everything is paused first, and goes on only once its position was read and sought.
   */
  #joined({ payload }: ConsumerGroupJoinEvent): void {
    const { topic, onAssigned } = this.#options
    const join = ++this.#join
    const partitions = payload.memberAssignment[topic] ?? []
    if (partitions.length > 0) this.#consumer.pause([{ topic, partitions }])
    for (const [partition, owner] of this.#owned) {
      if (partitions.includes(partition)) continue
      owner.lost = true
      this.#owned.delete(partition)
    }
    onAssigned(partitions)
    this.#assign(partitions, join).catch((error) => this.#fail(error))
  }

  async #assign(partitions: number[], join: number): Promise<void> {
    this.taking++
    try {
      for (const partition of partitions) {
        if (join !== this.#join) return
        // Taken anew at this very time, having been fenced.
        if (this.#beingTaken.get(partition) === join) continue
        this.#beingTaken.set(partition, join)
        await this.#bringUp(partition, join).finally(() => {
          if (this.#beingTaken.get(partition) === join) this.#beingTaken.delete(partition)
        })
      }
    } finally {
      this.taking--
    }
  }

  /** Makes a partition flow that is assigned to us, unless another join comes first. */
  async #bringUp(partition: number, join: number): Promise<void> {
    const kept = this.#owned.get(partition)
    if (kept !== undefined && !kept.lost) await this.#keep(kept)
    // One that was fenced while it was claimed again is taken anew here: retake leaves that to whoever is at it.
    const owner = kept !== undefined && !kept.lost ? kept : await this.#takeWhen(partition, join)
    if (owner === null || join !== this.#join || this.#options.closing.aborted) return
    this.#owned.set(partition, owner)
    this.#goOn(owner)
    this.#options.onTaken(partition, owner.committed)
  }

  #goOn(owner: Ownership): void {
    const { topic, partition } = owner
    this.#seek(owner)
    this.#consumer.resume([{ topic, partitions: [partition] }])
  }

  /** To the next record to take; first to the last one that was stored, to compare it. */
  #seek({ topic, partition, cursor, last }: Ownership): void {
    this.#consumer.seek({ topic, partition, offset: String(last?.offset ?? cursor) })
  }

  /** Somebody may have claimed a partition in between without storing anything: his lane is ended, and it is ours again. */
  async #keep(owner: Ownership): Promise<void> {
    const { withRecovery, laneOf, log } = this.#options
    const { topic, partition, committed } = owner
    const claim = withRecovery((session) =>
      session.claimPosition(topic, partition, committed, laneOf(partition)),
    )
    await claim.catch((error) =>
      log.warn({ err: error, partition }, 'a kept partition could not be claimed again'),
    )
  }

  /** Takes the partition as soon as the servers let us; null when another join came first. */
  async #takeWhen(partition: number, join: number): Promise<Ownership | null> {
    const { topic, log, closing } = this.#options
    for (let attempt = 1; join === this.#join; attempt++) {
      try {
        return await takePartition(topic, partition, () => this.#range(partition), this.#options)
      } catch (cause) {
        const error = cause as Error
        if (error instanceof FatalError) throw error
        if (reactionTo(error) === 'exit') {
          throw new FatalError(`${topic}/${partition} cannot be taken: ${error.message}`, { cause })
        }
        if (isWorthALine(attempt))
          log.warn({ err: error, partition, attempt }, 'a partition cannot be taken yet')
        await backOff(attempt, closing)
      }
    }
    return null
  }

  #range(partition: number): Promise<OffsetRange> {
    return offsetRange(this.#admin, this.#options.topic, partition)
  }

  async #take({ batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const owner = this.#owned.get(batch.partition)
    const { batchMaxRecords, writers, closing } = this.#options
    if (owner === undefined || owner.lost || closing.aborted || isStale()) return
    // A batch that was fetched before a seek begins elsewhere; to take it would skip or repeat records.
    const fetchedFrom = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset)
    if (owner.last !== null)
      return this.#compareLast(owner, owner.last, fetchedFrom, recordsOf(batch.messages)[0])
    if (fetchedFrom !== owner.cursor) {
      // kafkajs jumps to the first record that there is when retention has passed ours, or the topic was made anew.
      refuseGap(owner, await this.#range(owner.partition))
      this.#seek(owner)
      return
    }
    this.#options.onFetched(batch.partition, Number(batch.highWatermark))
    // What can be decoded goes on at once: each fetch must bring something, however many ids nobody knows.
    const messages = recordsOf(batch.messages)
    const { ids: missing, first: count } = unknownIds(messages, writers)
    for (let from = 0; from < count; from += batchMaxRecords) {
      const to = Math.min(from + batchMaxRecords, count)
      const records = messages.slice(from, to)
      const last = to === messages.length ? Number(batch.lastOffset()) : records[records.length - 1].offset
      const next = last + 1
      const room = this.queue.put(createBatch(owner, owner.position, next, records))
      owner.cursor = next
      owner.position = next
      if (to === count) resolveOffset(String(messages[to - 1].offset))
      if (room !== null) await whileAlive(unlessAborted(room, closing), heartbeat, this.#heartbeatMs)
      if (owner.lost || closing.aborted || !isRunning()) return
    }
    if (missing.size > 0) this.#loadSchemas(owner, missing)
  }

  /** Nothing of this fetch is taken: from here on all is fetched from the cursor. */
  async #compareLast(
    owner: Ownership,
    last: LastRecord,
    fetchedFrom: number,
    first: SourceRecord,
  ): Promise<void> {
    const { topic, partition } = owner
    if (fetchedFrom === last.offset) {
      refuseOther(topic, partition, last, first)
      owner.last = null
    } else if (fetchedFrom > last.offset && (await this.#range(partition)).low > last.offset) {
      owner.last = null // retention has taken it since
    }
    this.#seek(owner)
  }

  /** The registry may be away for long: only the partition that needs it waits, and its records are fetched again. */
  #loadSchemas(owner: Ownership, ids: Set<number>): void {
    const { topic, partition } = owner
    const { writers, closing } = this.#options
    const join = this.#join
    this.#consumer.pause([{ topic, partitions: [partition] }])
    writers
      .load(ids)
      .then(() => {
        // After another join, or when taken anew, it goes on by itself, and is here again if need be.
        if (!owner.lost && join === this.#join && !closing.aborted) this.#goOn(owner)
      })
      .catch((error) => this.#fail(error))
  }

  /** kafkajs stepped over records that consumers never see. */
  #passHole(partition: number, firstOffset: string | null, lastOffset: string): void {
    const owner = this.#owned.get(partition)
    if (owner === undefined) return
    // Of records that compaction has taken out of a batch kafkajs tells no first one, and steps over one at a time.
    const first = Number(firstOffset ?? lastOffset)
    if (owner.last !== null && first >= owner.last.offset) {
      owner.last = null // it would have come, were it there
      this.#seek(owner)
    } else if (first === owner.cursor) this.#holes.pass(owner, Number(lastOffset) + 1)
  }

  #fail(error: Error): void {
    if (!this.#options.closing.aborted) this.queue.stream.destroy(error)
  }
}
