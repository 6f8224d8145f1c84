import type { Logger } from '../../schemas/log.ts'
import { createOwnership, type Ownership } from '../batch.ts'
import { DamagedCheckpoint, FatalError } from '../errors.ts'
import { AccountStates } from '../features/account-states.ts'
import type { Rates } from '../features/rates.ts'
import { isComparable } from '../source/last-record.ts'
import { type CheckpointOf, restoreStates } from './checkpoints.ts'
import { rebuildStates } from './rebuild.ts'
import type { RecoverySession, WithRecovery } from './recovery.ts'

/** First and next offset that a topic's partition holds. */
export interface OffsetRange {
  low: number
  high: number
  /** Partitions of the topic. */
  partitions: number
}

export interface OwnershipOptions {
  withRecovery: WithRecovery
  latenessMs: number
  rates: Rates
  /** application_name of the connection that stores the partition. */
  laneOf: (partition: number) => string
  log: Logger
}

/**
 * Takes a partition: reads its position, checks it against what the topic holds, and brings its state there.
 * @throws FatalError when the topic no longer holds the position: going on would jump over records
 */
export async function takePartition(
  topic: string,
  partition: number,
  rangeOf: () => Promise<OffsetRange>,
  { withRecovery, latenessMs, rates, laneOf, log }: OwnershipOptions,
): Promise<Ownership> {
  return withRecovery(async (session) => {
    const { low } = await rangeOf()
    const { position, last } = await session.claimPosition(topic, partition, low, laneOf(partition))
    // Asked again: until the claim somebody else may have stored what came in meanwhile.
    const range = await rangeOf()
    refuseGap({ topic, partition, cursor: position }, range)
    const began = performance.now()
    const saved = await savedStates(session, { topic, partition, position, latenessMs, rates }, log)
    const { states } = saved
    const from = Math.max(saved.position, 0)
    const { count, next } = await rebuildStates(states, session.readHistory(partition, from))
    const ms = Math.round(performance.now() - began)
    const { accounts } = states
    log.info(
      { topic, partition, position, checkpoint: saved.position, replayed: count, accounts, ms },
      'partition taken',
    )
    return {
      ...createOwnership(topic, partition, position, states),
      checkpoint: saved.position,
      seen: next ?? from,
      last: isComparable(last, position, range) ? last : null,
      partitions: range.partitions,
    }
  })
}

/** The newest checkpoint's state; an empty one, at position -1, if there is none or it is damaged. */
async function savedStates(
  session: RecoverySession,
  of: CheckpointOf,
  log: Logger,
): Promise<{ states: AccountStates; position: number }> {
  const nothing = { states: new AccountStates(of.latenessMs, of.rates), position: -1 }
  try {
    const saved = await session.findCheckpoint(of)
    if (saved === null) {
      log.info({ partition: of.partition }, 'no checkpoint: rebuilt from the table')
      return nothing
    }
    return { states: await restoreStates(saved, of), position: saved.position }
  } catch (error) {
    // All else, a lost connection too, is tried again by the caller.
    if (!(error instanceof DamagedCheckpoint)) throw error
    log.warn({ err: error, partition: of.partition }, 'the checkpoint cannot be used: rebuilt from the table')
    return nothing
  }
}

/** @throws FatalError when the topic does not hold the next record to take, with the size of the gap */
export function refuseGap(
  { topic, partition, cursor: position }: Pick<Ownership, 'topic' | 'partition' | 'cursor'>,
  { low, high }: OffsetRange,
): void {
  if (position < low) {
    throw new FatalError(
      `${topic}/${partition}: the position is ${position}, but the topic begins at ${low}: ${low - position} records ` +
        'were deleted before they were processed. To go on without them, set positions.next_offset to it by hand.',
    )
  }
  if (position > high) {
    throw new FatalError(
      `${topic}/${partition}: the position is ${position}, but the topic ends at ${high}: ${position - high} records ` +
        'are missing. Was the topic made anew, or is this the database of another Kafka?',
    )
  }
}
