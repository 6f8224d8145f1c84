import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import type { Ownership } from '../batch.ts'
import { FatalError } from '../errors.ts'
import { AccountStates } from '../features/account-states.ts'
import { rebuildStates } from './rebuild.ts'
import { readOrCreatePosition } from './sql.ts'

/** First and next offset that a topic's partition holds. */
export interface OffsetRange {
  low: number
  high: number
}

export interface OwnershipOptions {
  connection: ConnectionOptions
  latenessMs: number
  log: Logger
}

/**
 * Takes a partition: reads its position, checks it against what the topic holds, and brings its state there.
 * @throws FatalError when the topic no longer holds the position: going on would jump over records
 */
export async function takePartition(
  topic: string,
  partition: number,
  range: OffsetRange,
  { connection, latenessMs, log }: OwnershipOptions,
): Promise<Ownership> {
  return withClient(connection, async (client) => {
    const position = await readOrCreatePosition(client, topic, partition, range.low)
    refuseGap(topic, partition, position, range)
    const states = new AccountStates(latenessMs)
    const began = performance.now()
    const count = await rebuildStates(client, states, partition)
    const ms = Math.round(performance.now() - began)
    log.info(
      { topic, partition, position, rebuilt_from: count, accounts: states.accounts, ms },
      'partition taken',
    )
    return { topic, partition, cursor: position, position, lost: false, states, judged: [] }
  })
}

function refuseGap(topic: string, partition: number, position: number, { low, high }: OffsetRange): void {
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
