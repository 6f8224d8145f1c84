import { Writable } from 'node:stream'
import { type Batch, NO_FEATURES } from '../batch.ts'
import { giveRows } from '../features/row-arrays.ts'
import type { Metrics } from '../metrics.ts'
import type { Lane, StoreOutcome } from '../store/lane.ts'

export interface StoreDeps {
  lanes: Lane[]
  queueBatches: number
  metrics: Metrics
  /** Called once a batch is committed. */
  onStored: (batch: Batch) => void
  /** Called once when a partition turned out to be somebody else's. */
  onFenced: (batch: Batch) => void
}

/** The lane that stores a partition; who claims the partition ends its connection by this number, too. */
export const laneOf = (partition: number, lanes: number): number => partition % lanes

/**
 * Hands each batch to the lane of its partition, always the same one, so that a partition's batches are stored in
 * order. Takes the next batch while the lanes work, until `queueBatches` a lane are waiting: counted together, since one busy
 * lane must not leave the others idle.
 */
export function store({ lanes, queueBatches, metrics, onStored, onFenced }: StoreDeps): Writable {
  const waiting = lanes.map(() => 0)
  const tails = lanes.map(() => Promise.resolve())
  let resume: (() => void) | null = null

  const hasRoom = () => waiting.reduce((sum, n) => sum + n, 0) < lanes.length * queueBatches
  for (const lane of lanes.keys()) metrics.sampled.queues.set(`lane-${lane}`, () => waiting[lane])

  async function storeInLane(lane: number, batch: Batch): Promise<void> {
    const end = metrics.storeSeconds.startTimer()
    const outcome = await lanes[lane].store(batch)
    end()
    metrics.batches.inc({ outcome })
    settle(batch, outcome, onStored, onFenced)
    waiting[lane]--
    if (resume !== null && hasRoom()) {
      const next = resume
      resume = null
      next()
    }
  }

  return new Writable({
    objectMode: true,
    highWaterMark: 1,
    write(batch: Batch, _encoding, callback) {
      const lane = laneOf(batch.owner.partition, lanes.length)
      waiting[lane]++
      tails[lane] = tails[lane].then(() => storeInLane(lane, batch))
      tails[lane].catch((error) => this.destroy(error))
      if (hasRoom()) callback()
      else resume = () => callback()
    },
    final(callback) {
      Promise.all(tails).then(() => callback(), callback)
    },
  })
}

function settle(
  batch: Batch,
  outcome: StoreOutcome,
  onStored: (b: Batch) => void,
  onFenced: (b: Batch) => void,
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
