import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Batch, NO_FEATURES } from '../batch.ts'
import { giveRows } from '../features/row-arrays.ts'
import type { Metrics } from '../metrics.ts'
import type { Lane, StoreOutcome } from '../store/lane.ts'
import { LaneQueue } from '../store/lane-queue.ts'

export interface StoreDeps {
  lanes: Lane[]
  /** How many times `commitMaxRecords` may wait for a lane. */
  queueBatches: number
  /** Records that are stored together, at most; not fewer than in a batch. */
  commitMaxRecords: number
  metrics: Metrics
  /** Called once a batch is committed. */
  onStored: (batch: Batch) => void
  /** Called once when a partition turned out to be somebody else's. */
  onFenced: (batch: Batch) => void
}

/** Batches that may wait for a lane, however small: each costs something. */
const MOST_BATCHES = 200

/**
 * How far apart a lane's transactions begin, at least. Each costs the processor as much as some hundred rows: at a steady
 * rate that leaves lanes idle now and then, one for every few records would take what the rest of the machine needs.
 * The first after a pause begins at once.
 */
const SPACING_MS = 5

/** The lane that stores a partition; who claims the partition ends its connection by this number, too. */
export const laneOf = (partition: number, lanes: number): number => partition % lanes

/**
 * Hands each batch to the lane of its partition, always the same one, so that a partition's batches are stored in
 * order. What waits while a lane is at work is stored together afterwards: little at once when little comes, much when
 * much does. Takes more until all lanes together have as much as they may: one busy lane must not leave the others idle.
 */
export function store({ lanes, queueBatches, commitMaxRecords, metrics, ...then }: StoreDeps): Writable {
  const queues = lanes.map(() => new LaneQueue())
  const working: (Promise<void> | null)[] = lanes.map(() => null)
  /** When each may begin its next transaction. */
  const begins = lanes.map(() => 0)
  let resume: (() => void) | null = null

  const sum = (of: (queue: LaneQueue) => number) => queues.reduce((total, queue) => total + of(queue), 0)
  const hasRoom = () =>
    sum((queue) => queue.records) < lanes.length * queueBatches * commitMaxRecords &&
    sum((queue) => queue.batches) < lanes.length * MOST_BATCHES
  for (const [lane, queue] of queues.entries())
    metrics.sampled.queues.set(`lane-${lane}`, () => queue.batches)

  function offerRoom(): void {
    if (resume === null || !hasRoom()) return
    const next = resume
    resume = null
    next()
  }

  async function work(lane: number): Promise<void> {
    const queue = queues[lane]
    while (queue.waiting > 0) {
      const early = begins[lane] - performance.now()
      if (early > 0) await sleep(early)
      begins[lane] = performance.now() + SPACING_MS
      const some = queue.take(commitMaxRecords)
      const end = metrics.storeSeconds.startTimer()
      await lanes[lane].store(some, (batch, outcome) => {
        queue.done(batch)
        metrics.batches.inc({ outcome })
        settle(batch, outcome, then)
        offerRoom()
      })
      end()
    }
    working[lane] = null
  }

  return new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(batch: Batch, _encoding, callback) {
      const lane = laneOf(batch.owner.partition, lanes.length)
      queues[lane].add(batch)
      if (working[lane] === null) {
        working[lane] = work(lane)
        working[lane].catch((error) => this.destroy(error))
      }
      if (hasRoom()) callback()
      else resume = () => callback()
    },
    final(callback) {
      Promise.all(working).then(() => callback(), callback)
    },
  })
}

function settle(
  batch: Batch,
  outcome: StoreOutcome,
  { onStored, onFenced }: Pick<StoreDeps, 'onStored' | 'onFenced'>,
): void {
  const { judged, states } = batch.owner
  if (outcome === 'stored') {
    judged.shift()
    batch.owner.committed = batch.nextOffset
    if (batch.undo !== null) states.commit(batch.undo)
    onStored(batch)
    giveRows(batch.features)
    batch.features = NO_FEATURES
  } else {
    // The state has seen a batch that is not in the table: it may not judge another one.
    const isNews = !batch.owner.lost
    batch.owner.lost = true
    if (outcome === 'fenced' && isNews) onFenced(batch)
  }
}
