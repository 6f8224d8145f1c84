import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../schemas/log.ts'
import { FatalError } from './errors.ts'
import type { Metrics } from './metrics.ts'

export interface WatchdogOptions {
  /** So long without progress is a stall, milliseconds. */
  stallMs: number
  /** Anything that grows when records are stored. */
  stored: () => number
  /** True while a server is waited for: that is no stall, and no restart would mend it. */
  excused: () => boolean
  /** Records that Kafka holds beyond the stored positions of our partitions; asks Kafka itself. */
  lag: () => Promise<number>
  /** Leaves the group and joins it again. */
  rejoin: () => Promise<void>
  metrics: Metrics
  log: Logger
  closing: AbortSignal
}

/**
 * Some hangs of the client are known and end in no error (kafkajs' issues 659, 660 and 1163): partitions are assigned,
 * there is work, and nothing comes. After a stall the group is joined anew; after another one the process must end.
 * Resolves when closing.
 * @throws FatalError when rejoining did not help
 */
export async function watch(options: WatchdogOptions): Promise<void> {
  const { stallMs, stored, excused, lag, rejoin, metrics, log, closing } = options
  let last = { stored: stored(), at: performance.now() }
  let rejoined = false
  while (!closing.aborted) {
    await sleep(stallMs / 10, undefined, { signal: closing }).catch(() => {})
    if (stored() !== last.stored || excused()) {
      last = { stored: stored(), at: performance.now() }
      rejoined = false
    }
    const stalledMs = performance.now() - last.at
    if (closing.aborted || stalledMs < stallMs * (rejoined ? 2 : 1)) continue
    // Kafka itself being away is not ours to mend either: the client connects again by itself.
    const unanswered = sleep(stallMs / 2, 0, { ref: false })
    const behind = await Promise.race([lag().catch(() => 0), unanswered])
    if (behind === 0) {
      last = { stored: stored(), at: performance.now() }
      continue
    }
    metrics.stalls.inc()
    const seconds = Math.round(stalledMs / 1000)
    if (rejoined)
      throw new FatalError(
        `nothing was stored for ${seconds} s with ${behind} records to do, after rejoining`,
      )
    log.error({ seconds, behind }, 'nothing is stored although there is work: the group is joined anew')
    rejoined = true
    await Promise.race([rejoin(), sleep(stallMs / 2, undefined, { ref: false })])
  }
}
