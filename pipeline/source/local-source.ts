import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { createBatch, type Ownership } from '../batch.ts'
import { FatalError, type SourceRecord } from '../errors.ts'
import { partitionOf } from '../produce/partitioner.ts'
import type { TransactionSink } from '../produce/sink.ts'
import { type OwnershipOptions, takePartition } from '../store/ownerships.ts'
import { BatchQueue } from './batch-queue.ts'
import type { Source } from './source.ts'

/** The id that frames name; there is no registry to ask for another. */
const LOCAL_SCHEMA_ID = 1

/** The topic's name in `positions`: its offsets are not Kafka's. */
export const LOCAL_TOPIC = 'in-process'

export interface LocalSourceOptions extends OwnershipOptions {
  partitions: number
  queueBatches: number
  onFetched: (partition: number, highWatermark: number) => void
  onAssigned: (partitions: number[]) => void
  onTaken: (partition: number, position: number) => void
}

/**
 * Records from this very process, for a machine without Kafka: what is sent is framed, spread over partitions as
 * Kafka's producer would, and goes through the same stages. Nothing is kept beyond the queue: after a crash the
 * sender has to send again, which stores nothing twice.
 */
export class LocalSource implements Source, TransactionSink {
  readonly queue: BatchQueue
  readonly taking = 0
  readonly isAnswered = true
  readonly #options: LocalSourceOptions
  readonly #owned: Ownership[] = []
  #ended = false
  #last: Promise<void> = Promise.resolve()

  constructor(options: LocalSourceOptions) {
    this.#options = options
    this.queue = new BatchQueue(options.queueBatches)
  }

  async start(): Promise<void> {
    const { partitions, onAssigned, onTaken } = this.#options
    const everything = async () => ({ low: 0, high: Number.POSITIVE_INFINITY, partitions })
    for (let partition = 0; partition < partitions; partition++) {
      this.#owned.push(await takePartition(LOCAL_TOPIC, partition, everything, this.#options))
    }
    onAssigned(this.#owned.map((owner) => owner.partition))
    for (const { partition, committed } of this.#owned) onTaken(partition, committed)
  }

  /** Resolves when the stages have room again. Calls wait for each other: records keep their order. */
  send(transactions: Transaction[]): Promise<void> {
    this.#last = this.#last.then(() => this.#send(transactions))
    return this.#last
  }

  async #send(transactions: Transaction[]): Promise<void> {
    if (this.#ended) throw new Error('the pipeline is stopping')
    const now = Date.now()
    const records = new Map<Ownership, SourceRecord[]>()
    for (const tx of transactions) {
      const owner = this.#owned[partitionOf(tx.account_id, this.#owned.length)]
      const list = records.get(owner) ?? []
      records.set(owner, list)
      const value = frame(LOCAL_SCHEMA_ID, transactionType, tx)
      list.push({ offset: owner.cursor++, timestamp: now, key: Buffer.from(tx.account_id), value })
    }
    for (const [owner, list] of records) {
      const batch = createBatch(owner, owner.position, owner.cursor, list)
      owner.position = owner.cursor
      this.#options.onFetched(owner.partition, owner.cursor)
      await this.queue.put(batch)
    }
  }

  async close(): Promise<void> {}

  async stop(): Promise<void> {
    this.#ended = true
    this.queue.end()
  }

  async commit(): Promise<void> {}

  async rejoin(): Promise<void> {}

  /** There is no group to be stuck in: nobody is ever behind. */
  async ends(): Promise<Map<number, number>> {
    return new Map()
  }

  owned(): Iterable<Ownership> {
    return this.#owned
  }

  async retake(owner: Ownership): Promise<void> {
    throw new FatalError(`another process moves the position of ${LOCAL_TOPIC}/${owner.partition}`)
  }
}
