import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import { type Ownership, seenBy } from '../batch.ts'
import type { Metrics } from '../metrics.ts'
import { writeCheckpoint } from './checkpoints.ts'

export interface CheckpointerOptions {
  connection: ConnectionOptions
  everyMs: number
  latenessMs: number
  /** The partitions that are ours now. */
  owned: () => Iterable<Ownership>
  metrics: Metrics
  log: Logger
  closing: AbortSignal
}

const LOOK_EVERY_MS = 250

/**
 * Saves the state of each partition from time to time, one after another over a connection of its own, so that a
 * restart need not begin with the first transaction. It never holds the stream up: see AccountStates.snapshot.
 */
export async function keepCheckpoints(options: CheckpointerOptions): Promise<void> {
  const { log, closing } = options
  const dueAt = new Map<Ownership, number>()
  while (!closing.aborted) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: closing }).catch(() => {})
    const owner = mostOverdue(options, dueAt)
    if (owner === undefined || closing.aborted) continue
    dueAt.set(owner, performance.now() + options.everyMs)
    try {
      await save(options, owner)
    } catch (error) {
      log.warn({ err: error, partition: owner.partition }, 'a checkpoint could not be written')
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
    .filter((owner) => !owner.lost && seenBy(owner) > owner.checkpoint && dueAt.get(owner)! <= now)
    .sort((a, b) => dueAt.get(a)! - dueAt.get(b)!)[0]
}

async function save(
  { connection, latenessMs, metrics, log, closing }: CheckpointerOptions,
  owner: Ownership,
): Promise<void> {
  const { topic, partition, states, judged } = owner
  const position = seenBy(owner)
  const end = metrics.checkpointSeconds.startTimer()
  const snapshot = states.snapshot(judged.flatMap((batch) => batch.undo ?? []))
  try {
    const bytes = await withClient(connection, (client) =>
      writeCheckpoint(
        client,
        { topic, partition, position, latenessMs },
        snapshot,
        () => !owner.lost && !closing.aborted,
      ),
    )
    if (bytes === null) return
    owner.checkpoint = position
    const seconds = end()
    metrics.checkpointBytes.set({ partition: String(partition) }, bytes)
    log.info({ partition, position, accounts: snapshot.accounts, bytes, seconds }, 'checkpoint written')
  } finally {
    snapshot.release()
  }
}
