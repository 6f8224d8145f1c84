import type { Batch } from './batch.ts'
import { F, FEATURE_COUNT } from './features/features.ts'
import type { Metrics } from './metrics.ts'
import type { Standing } from './sampled-metrics.ts'
import { severityOf } from './severity.ts'

/** What the pipeline has done so far and how far it is behind: for metrics, readiness and the lines of `npm start`. */
export class Progress {
  stored = 0
  /** Records that were dealt with, whatever became of them. */
  processed = 0
  anomalies = 0
  readonly #metrics: Metrics
  readonly #standings = new Map<number, Standing>()
  /** Assigned partitions whose state is not there yet; null before the first assignment. */
  #untaken: Set<number> | null = null

  constructor(metrics: Metrics) {
    this.#metrics = metrics
    metrics.sampled.standings = () => this.#standings
  }

  get ready(): boolean {
    return this.#untaken?.size === 0
  }

  get lag(): number {
    let lag = 0
    for (const { end = 0, position = 0 } of this.#standings.values()) lag += Math.max(0, end - position)
    return lag
  }

  onAssigned(partitions: number[]): void {
    this.#untaken = new Set(partitions)
    for (const partition of this.#standings.keys()) {
      if (partitions.includes(partition)) continue
      this.#standings.delete(partition)
      this.#metrics.checkpointBytes.remove({ partition: String(partition) })
    }
  }

  onTaken(partition: number, position: number): void {
    this.#untaken?.delete(partition)
    const standing = this.#standingOf(partition)
    standing.position = position
    standing.savedAt ??= Date.now()
  }

  onFetched(partition: number, highWatermark: number): void {
    this.#standingOf(partition).end = highWatermark
  }

  /** A checkpoint of the partition was written. */
  onSaved(partition: number): void {
    this.#standingOf(partition).savedAt = Date.now()
  }

  onStored(batch: Batch): void {
    const { records } = batch
    const standing = this.#standingOf(batch.owner.partition)
    this.processed += records.length
    this.stored += batch.transactions.length
    this.anomalies += batch.anomalies.size
    standing.position = batch.nextOffset
    if (records.length > 0) {
      standing.newestRecordAt = records[records.length - 1].timestamp
      this.#metrics.latency.observe(Math.max(0, Date.now() - records[0].timestamp) / 1000)
    }
    count(batch, this.#metrics)
  }

  #standingOf(partition: number): Standing {
    const known = this.#standings.get(partition)
    if (known !== undefined) return known
    const standing: Standing = {}
    this.#standings.set(partition, standing)
    return standing
  }
}

/** Adds a stored batch up: a call for each kind of thing in it, however many there are. */
function count(batch: Batch, metrics: Metrics): void {
  metrics.stored.inc(batch.transactions.length)
  metrics.duplicates.inc(batch.duplicates.length)
  metrics.batchRecords.observe(batch.records.length)
  metrics.late.inc(countLate(batch))
  metrics.unrated.inc(countUnrated(batch))
  metrics.misplaced.inc(batch.misplaced)
  if (batch.rejects.length > 0) {
    for (const [code, n] of tally(batch.rejects.map((reject) => reject.code)))
      metrics.deadLetters.inc({ code }, n)
  }
  if (batch.anomalies.size > 0) {
    const kinds = [...batch.anomalies].map(
      ([row, { reasons }]) => `${severityOf(batch.scores[row])} ${reasons[0].code}`,
    )
    for (const [kind, n] of tally(kinds)) {
      const [severity, reason] = kind.split(' ')
      metrics.anomalies.inc({ reason, severity }, n)
    }
  }
}

function tally<T>(values: Iterable<T>): Map<T, number> {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
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
