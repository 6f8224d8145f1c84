import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../schemas/log.ts'
import type { Ownership } from '../batch.ts'
import type { Snapshot } from '../features/account-states.ts'
import type { Rates } from '../features/rates.ts'
import type { Metrics } from '../metrics.ts'
import type { CheckpointOf } from './checkpoints.ts'
import { isWorthALine } from './reactions.ts'

/**
 * Saves a snapshot.
 * @param goOn asked between its pieces; false gives it up
 * @returns its bytes, or null when it was given up
 */
export type WriteCheckpoint = (
  of: CheckpointOf,
  snapshot: Snapshot,
  goOn: () => boolean,
) => Promise<number | null>

export interface CheckpointerOptions {
  write: WriteCheckpoint
  everyMs: number
  latenessMs: number
  rates: Rates
  /** The partitions that are ours now. */
  owned: () => Iterable<Ownership>
  /** Is told the partition of which a checkpoint was written. */
  onSaved?: (partition: number) => void
  metrics: Metrics
  log: Logger
  closing: AbortSignal
}

const LOOK_EVERY_MS = 250
/** While one is written, blocks that are given up pile up: it may not take for ever. */
const LONGEST_MS = 120_000

/**
 * Saves the state of each partition from time to time, one after another, so that a restart need not begin with the
 * first transaction. It never holds the stream up: see AccountStates.snapshot.
 */
export async function keepCheckpoints(options: CheckpointerOptions): Promise<void> {
  const { log, closing } = options
  const dueAt = new Map<Ownership, number>()
  let failures = 0
  while (!closing.aborted) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: closing }).catch(() => {})
    const owner = mostOverdue(options, dueAt)
    if (owner === undefined || closing.aborted) continue
    dueAt.set(owner, performance.now() + options.everyMs)
    try {
      await save(options, owner)
      failures = 0
    } catch (error) {
      if (isWorthALine(++failures))
        log.warn({ err: error, partition: owner.partition, failures }, 'a checkpoint could not be written')
    }
  }
}

/** Partitions get their first checkpoint at different times, spread over the interval. */
function mostOverdue(
  { owned, everyMs }: CheckpointerOptions,
  dueAt: Map<Ownership, number>,
): Ownership | undefined {
  const now = performance.now()
  const owners = [...owned()]
  for (const known of dueAt.keys()) if (known.lost) dueAt.delete(known)
  owners.forEach((owner, i) => {
    if (!dueAt.has(owner)) dueAt.set(owner, now + (everyMs * (i + 1)) / owners.length)
  })
  return owners
    .filter((owner) => isWorthSaving(owner) && dueAt.get(owner)! <= now)
    .sort((a, b) => dueAt.get(a)! - dueAt.get(b)!)[0]
}

/** Where the position was set back by hand the state is ahead of it for a while: it has no position of its own then. */
const isWorthSaving = ({ lost, committed, seen, checkpoint }: Ownership): boolean =>
  !lost && committed >= seen && committed > checkpoint

async function save(
  { write, latenessMs, rates, onSaved, metrics, log, closing }: CheckpointerOptions,
  owner: Ownership,
): Promise<void> {
  const { topic, partition, states, judged, committed: position } = owner
  const end = metrics.checkpointSeconds.startTimer()
  const snapshot = states.snapshot(judged.flatMap((batch) => batch.undo ?? []))
  try {
    const deadline = performance.now() + LONGEST_MS
    const goOn = () => !owner.lost && !closing.aborted && performance.now() < deadline
    const bytes = await write({ topic, partition, position, latenessMs, rates }, snapshot, goOn)
    if (bytes === null) return
    owner.checkpoint = position
    onSaved?.(partition)
    const seconds = end()
    metrics.checkpointBytes.set({ partition: String(partition) }, bytes)
    log.info({ partition, position, accounts: snapshot.accounts, bytes, seconds }, 'checkpoint written')
  } finally {
    snapshot.release()
  }
}
