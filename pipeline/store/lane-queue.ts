import type { Batch } from '../batch.ts'

/** Batches that wait for a lane, in order. */
export class LaneQueue {
  /** Those that wait and those that are being stored. */
  batches = 0
  /** Their records. */
  records = 0
  readonly #waiting: Batch[] = []

  get waiting(): number {
    return this.#waiting.length
  }

  add(batch: Batch): void {
    this.#waiting.push(batch)
    this.batches++
    this.records += batch.records.length
  }

  /** @returns the next ones, together at most `most` records, or one that alone has more; empty if none wait */
  take(most: number): Batch[] {
    const waiting = this.#waiting
    let count = 0
    let records = 0
    while (count < waiting.length) {
      records += waiting[count].records.length
      if (count > 0 && records > most) break
      count++
    }
    return waiting.splice(0, count)
  }

  /** The batch has left the lane. */
  done(batch: Batch): void {
    this.batches--
    this.records -= batch.records.length
  }
}
