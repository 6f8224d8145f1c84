import { createBatch, type Ownership } from '../batch.ts'
import type { BatchQueue } from './batch-queue.ts'

/**
 * Records that consumers never see (control records, aborted transactions): kafkajs steps over them by itself. An empty
 * batch moves the position, which would stand before them until the next record otherwise, and so the lag.
 */
export class Holes {
  readonly #queue: BatchQueue
  /** Those whose hole waits for room in the queue. */
  readonly #waiting = new Set<Ownership>()

  constructor(queue: BatchQueue) {
    this.#queue = queue
  }

  /** The partition has none up to `next`. Nothing holds kafkajs back here: all holes that come meanwhile are one. */
  pass(owner: Ownership, next: number): void {
    owner.cursor = next
    if (this.#waiting.has(owner)) return
    this.#waiting.add(owner)
    void Promise.resolve(this.#queue.room).then(() => {
      this.#waiting.delete(owner)
      this.#tell(owner)
    })
  }

  /** Unless the next batch has reached beyond it. */
  #tell(owner: Ownership): void {
    if (owner.lost || owner.position === owner.cursor) return
    void this.#queue.put(createBatch(owner, owner.position, owner.cursor, []))
    owner.position = owner.cursor
  }
}
