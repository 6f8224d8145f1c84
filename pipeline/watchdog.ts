import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../schemas/log.ts'
import type { Ownership } from './batch.ts'
import { FatalError } from './errors.ts'
import type { Metrics } from './metrics.ts'

export interface WatchdogOptions {
  /** So long without progress is a stall, milliseconds. */
  stallMs: number
  /** Our partitions, and how far each is stored. */
  owned: () => Iterable<Pick<Ownership, 'partition' | 'committed'>>
  /** The end of each partition of the topic; asks Kafka itself. */
  ends: () => Promise<Map<number, number>>
  /** True while a server is waited for: that is no stall, and no restart would mend it. */
  excused: () => boolean
  /** Leaves the group and joins it again. */
  rejoin: () => Promise<void>
  metrics: Metrics
  log: Logger
  closing: AbortSignal
}

/** A stall is to be seen so often. Looks are counted, not time: while the whole process or machine slept, nothing stood. */
const LOOKS = 10

/** A partition with work, seen at each look, whose position has not moved since. */
interface Standing {
  position: number
  behind: number
  /** So often it was seen there. */
  looks: number
  rejoined: boolean
}

/**
 * Some hangs of the client are known and end in no error (kafkajs' issues 659, 660 and 1163): partitions are assigned,
 * there is work, and nothing comes. After a stall the group is joined anew; after another one the process must end.
 * Each partition is watched by itself: the others would hide it. Resolves when closing.
 * @throws FatalError when rejoining did not help
 */
export async function watch(options: WatchdogOptions): Promise<void> {
  const { stallMs, owned, ends, excused, rejoin, metrics, log, closing } = options
  const standing = new Map<number, Standing>()
  while (!closing.aborted) {
    await sleep(stallMs / LOOKS, undefined, { signal: closing }).catch(() => {})
    // Kafka itself being away is not ours to mend: the client connects again by itself.
    const told = await Promise.race([ends().catch(() => null), sleep(stallMs / 2, null, { ref: false })])
    if (closing.aborted) return
    if (told === null || excused()) {
      standing.clear()
      continue
    }
    look(standing, owned(), told)
    const stalled = [...standing].filter(([, { looks }]) => looks > LOOKS)
    if (stalled.length === 0) continue
    metrics.stalls.inc()
    const where = stalled
      .map(([partition, { behind }]) => `${behind} records in partition ${partition}`)
      .join(', ')
    const seconds = Math.round(stallMs / 1000)
    if (stalled.some(([, { rejoined }]) => rejoined))
      throw new FatalError(`nothing was stored for ${seconds} s with ${where} to do, after rejoining`)
    log.error({ seconds, where }, 'nothing is stored although there is work: the group is joined anew')
    for (const [, one] of stalled) Object.assign(one, { looks: 0, rejoined: true })
    await Promise.race([rejoin(), sleep(stallMs / 2, undefined, { ref: false })])
  }
}

/** Keeps the partitions that have work and stand where they stood at the last look. */
function look(
  standing: Map<number, Standing>,
  owned: Iterable<Pick<Ownership, 'partition' | 'committed'>>,
  ends: Map<number, number>,
): void {
  const gone = new Set(standing.keys())
  for (const { partition, committed: position } of owned) {
    const behind = (ends.get(partition) ?? 0) - position
    if (behind <= 0) continue
    gone.delete(partition)
    const before = standing.get(partition)
    if (before?.position !== position)
      standing.set(partition, { position, behind, looks: 1, rejoined: false })
    else Object.assign(before, { behind, looks: before.looks + 1 })
  }
  for (const partition of gone) standing.delete(partition)
}
