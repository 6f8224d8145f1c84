import { Readable } from 'node:stream'
import type { Batch } from '../batch.ts'

/** The start of the stream: batches are put in by whoever fetches, which waits while `size` of them wait already. */
export class BatchQueue {
  readonly stream: Readable
  #ended = false
  #room: PromiseWithResolvers<void> | null = null

  constructor(size: number) {
    this.stream = new Readable({
      objectMode: true,
      highWaterMark: size,
      read: () => {
        this.#room?.resolve()
        this.#room = null
      },
    })
  }

  /** Batches that wait. */
  get length(): number {
    return this.stream.readableLength
  }

  /** Null when there is room; else a promise of it. */
  get room(): Promise<void> | null {
    return this.#room?.promise ?? null
  }

  /** @returns null when there is room for more, or no use for it after the end; else a promise of room */
  put(batch: Batch): Promise<void> | null {
    if (this.#ended || this.stream.push(batch)) return null
    this.#room ??= Promise.withResolvers()
    return this.#room.promise
  }

  /** No more batches: the stages finish what they have. */
  end(): void {
    if (!this.#ended) this.stream.push(null)
    this.#ended = true
  }
}
