import type { Ownership } from '../batch.ts'
import type { BatchQueue } from './batch-queue.ts'

/** Where records come from: Kafka, or this very process. */
export interface Source {
  queue: BatchQueue
  start(): Promise<void>
  /** Stops fetching and ends the queue. */
  stop(): Promise<void>
  /** Tells the outside how far a partition is; only for tools. */
  commit(owner: Ownership, nextOffset: number): Promise<void>
  /** Joins anew, after a stall. */
  rejoin(): Promise<void>
  /** The next offset of each partition of the topic. */
  ends(): Promise<Map<number, number>>
  /** Whether there was a sign of life from Kafka of late. */
  readonly isAnswered: boolean
  /** Recoveries under way. */
  readonly taking: number
  /** The partitions that are ours now. */
  owned(): Iterable<Ownership>
  /** Takes a partition anew from its stored position. */
  retake(owner: Ownership): Promise<void>
}
