import type { Batch } from './batch.ts'
import { F, FEATURE_COUNT } from './features/features.ts'
import type { Metrics } from './metrics.ts'

/** What the pipeline has done so far and how far it is behind: for metrics, readiness and the lines of `npm start`. */
export class Progress {
  stored = 0
  /** Records that were dealt with, whatever became of them. */
  processed = 0
  anomalies = 0
  readonly #metrics: Metrics
  readonly #highWatermarks = new Map<number, number>()
  readonly #positions = new Map<number, number>()
  /** Assigned partitions whose state is not there yet; null before the first assignment. */
  #untaken: Set<number> | null = null

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  get ready(): boolean {
    return this.#untaken?.size === 0
  }

  get lag(): number {
    let lag = 0
    for (const partition of this.#highWatermarks.keys()) lag += this.#lagOf(partition)
    return lag
  }

  onAssigned(partitions: number[]): void {
    this.#untaken = new Set(partitions)
    for (const partition of this.#highWatermarks.keys()) {
      if (partitions.includes(partition)) continue
      this.#highWatermarks.delete(partition)
      this.#positions.delete(partition)
      this.#metrics.lag.remove({ partition: String(partition) })
    }
  }

  onTaken(partition: number, position: number): void {
    this.#untaken?.delete(partition)
    this.#positions.set(partition, position)
  }

  onFetched(partition: number, highWatermark: number): void {
    this.#highWatermarks.set(partition, highWatermark)
    this.#metrics.lag.set({ partition: String(partition) }, this.#lagOf(partition))
  }

  onStored(batch: Batch): void {
    const { partition } = batch.owner
    const { stored, anomalies, duplicates, deadLetters, batchRecords, late, unrated, misplaced, lag } =
      this.#metrics
    this.processed += batch.records.length
    this.stored += batch.transactions.length
    this.anomalies += batch.anomalies.size
    this.#positions.set(partition, batch.nextOffset)
    stored.inc(batch.transactions.length)
    anomalies.inc(batch.anomalies.size)
    duplicates.inc(batch.duplicates.length)
    for (const { code } of batch.rejects) deadLetters.inc({ code })
    batchRecords.observe(batch.records.length)
    late.inc(countLate(batch))
    unrated.inc(countUnrated(batch))
    misplaced.inc(batch.misplaced)
    lag.set({ partition: String(partition) }, this.#lagOf(partition))
  }

  #lagOf(partition: number): number {
    return Math.max(0, (this.#highWatermarks.get(partition) ?? 0) - (this.#positions.get(partition) ?? 0))
  }
}

function countLate({ features }: Batch): number {
  let count = 0
  for (let at = F.late; at < features.length; at += FEATURE_COUNT) count += features[at]
  return count
}

function countUnrated({ features }: Batch): number {
  let count = 0
  for (let at = F.amount; at < features.length; at += FEATURE_COUNT) if (Number.isNaN(features[at])) count++
  return count
}
