import type { Label } from '../../schemas/label.ts'
import type { Logger } from '../../schemas/log.ts'
import type { Reject, SourceRecord } from '../errors.ts'
import type { DeadLetters } from '../store/dead-letters.ts'
import { backOff, isWorthALine, reactionTo } from '../store/reactions.ts'
import type { Added, LabelTable } from './label-table.ts'

/** Some consecutive records of one partition of the labels topic, read. */
export interface LabelBatch {
  topic: string
  partition: number
  labels: { label: Label; record: SourceRecord }[]
  rejects: Reject[]
}

export interface StoreOptions {
  table: Pick<LabelTable, 'insert' | 'endStopped'>
  deadLetters: DeadLetters
  log: Logger
  /** Ends the trying. */
  signal: AbortSignal
  /** Told when a server begins to be waited for, and when no longer. */
  onWaiting: (isWaiting: boolean) => void
}

/**
 * Stores what is right, and sends what is not to the dead-letter topic; tries for as long as it takes, whatever the
 * error: the transactions' stream goes on meanwhile. What PostgreSQL refuses is found by halving, and among the rejects
 * afterwards.
 * @throws when the signal ends the trying
 */
export async function storeLabels(batch: LabelBatch, options: StoreOptions): Promise<Added> {
  const added: Added = { fraud: 0, genuine: 0 }
  const pending = [batch.labels]
  for (let some = pending.pop(); some !== undefined; some = pending.pop()) {
    if (some.length === 0) continue
    const outcome = await untilDone('storing labels', () => insertOrRefuse(some!, options.table), options)
    if (!('refusal' in outcome)) {
      added.fraud += outcome.fraud
      added.genuine += outcome.genuine
    } else if (some.length === 1) {
      batch.rejects.push({ record: some[0].record, code: 'INVALID_LABEL', message: outcome.refusal })
    } else {
      const middle = some.length >> 1
      // Taken from the end: the first half comes first.
      pending.push(some.slice(middle), some.slice(0, middle))
    }
  }
  const { topic, partition, rejects } = batch
  if (rejects.length > 0)
    await untilDone(
      'sending dead letters of labels',
      () => options.deadLetters.send(topic, partition, rejects),
      options,
    )
  return added
}

async function insertOrRefuse(
  some: LabelBatch['labels'],
  table: StoreOptions['table'],
): Promise<Added | { refusal: string }> {
  try {
    return await table.insert(some.map(({ label }) => label))
  } catch (error) {
    const reaction = reactionTo(error as Error)
    if (reaction === 'bad-row' || reaction === 'duplicate') return { refusal: (error as Error).message }
    if (reaction === 'blocked') await table.endStopped()
    throw error
  }
}

async function untilDone<T>(
  what: string,
  work: () => Promise<T>,
  { log, signal, onWaiting }: StoreOptions,
): Promise<T> {
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        signal.throwIfAborted()
        onWaiting(true)
        if (isWorthALine(attempt)) log.warn({ err: error, attempt }, `${what} failed; will be tried again`)
        await backOff(attempt, signal)
      }
    }
  } finally {
    onWaiting(false)
  }
}
