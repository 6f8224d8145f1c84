import type { Transaction } from '../schemas/transaction.ts'
import type { Reject, SourceRecord } from './errors.ts'
import type { AccountStates, UndoLog } from './features/account-states.ts'
import type { ReferenceDay } from './features/reference-day.ts'
import type { LastRecord } from './source/last-record.ts'
import type { Anomaly } from './stages/reasons.ts'

/**
 * A partition for as long as this process owns it. Each assignment makes a new one, so a batch of an earlier
 * ownership is recognised by `lost` on the object it carries: no generation numbers to compare.
 */
export interface Ownership {
  readonly topic: string
  readonly partition: number
  /** Partitions of the topic; 0 if nobody tells. */
  partitions: number
  /** Next offset to take from Kafka. */
  cursor: number
  /** The position once everything taken so far is stored: `nextOffset` of the newest batch. */
  position: number
  /** The position that is stored. */
  committed: number
  /** The newest record before the position, until it is compared with the topic's; null if there is nothing to compare. */
  last: LastRecord | null
  /** The position of the newest checkpoint; -1 while there is none. */
  checkpoint: number
  /** First offset that the state had not seen when taken: beyond the position only where that was set back by hand. */
  readonly seen: number
  /** True once the partition went elsewhere or was taken anew: its batches are forgotten. */
  lost: boolean
  readonly states: AccountStates
  /** Batches that changed `states` and are not committed, oldest first. */
  readonly judged: Batch[]
}

/** Consecutive records of one partition, on their way through the stages. Row i of every column is one transaction. */
export interface Batch {
  readonly owner: Ownership
  /** The position before this batch: what the compare-and-set expects. */
  readonly fromOffset: number
  /** The position after it. */
  readonly nextOffset: number
  /** As received; kept until the commit, since a late reject needs the original bytes. */
  records: SourceRecord[]

  transactions: Transaction[]
  /** records[recordOf[i]] is the record of row i. */
  recordOf: number[]
  rejects: Reject[]
  /** How many of the rejects are safe in the dead-letter topic. */
  deadLettered: number
  /** Transactions whose partition is not the one that Kafka's producers choose by their account. */
  misplaced: number
  /** Records left out as duplicates, by offset. */
  duplicates: number[]

  /** What was known of merchants on each event day of the rows: taken once, so that whatever judges again uses the same. */
  readonly references: Map<number, ReferenceDay | null>
  /** FEATURES.length values a row. */
  features: Float64Array
  /** Number of the account's home before each row, as `states.locationName` knows it. */
  homes: Int32Array
  scores: Float32Array
  anomalies: Map<number, Anomaly>
  undo: UndoLog | null
}

export const NO_FEATURES: Float64Array = new Float64Array(0)
const NO_HOMES = new Int32Array(0)
const NO_SCORES = new Float32Array(0)

export function createBatch(
  owner: Ownership,
  fromOffset: number,
  nextOffset: number,
  records: SourceRecord[],
): Batch {
  return {
    owner,
    fromOffset,
    nextOffset,
    records,
    transactions: [],
    recordOf: [],
    rejects: [],
    deadLettered: 0,
    misplaced: 0,
    duplicates: [],
    references: new Map(),
    features: NO_FEATURES,
    homes: NO_HOMES,
    scores: NO_SCORES,
    anomalies: new Map(),
    undo: null,
  }
}

/** Takes rows out of a batch. The features, scores and state must be computed again afterwards. */
export function removeRows(batch: Batch, rows: ReadonlySet<number>): void {
  batch.transactions = batch.transactions.filter((_, row) => !rows.has(row))
  batch.recordOf = batch.recordOf.filter((_, row) => !rows.has(row))
}

/** A partition that is taken at its stored position, with the state of that position. */
export function createOwnership(
  topic: string,
  partition: number,
  position: number,
  states: AccountStates,
): Ownership {
  return {
    topic,
    partition,
    partitions: 0,
    cursor: position,
    position,
    committed: position,
    last: null,
    checkpoint: -1,
    seen: position,
    lost: false,
    states,
    judged: [],
  }
}
