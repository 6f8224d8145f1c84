import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'

/** A transaction of a history. `is_fraud` is the last that was said of it: who may not know that asks here. */
export interface LabelledTransaction extends Transaction {
  /** What its source knew. */
  source_label?: boolean | null
  /**
   * All that was said, as it became known: whether it is a fraud (null: an earlier word was taken back), and since when
   * that is known, in ms. Without them nobody tells when `is_fraud` became known: it counts as known in time.
   */
  labels?: [isFraud: boolean | null, knownAt: number][] | null
}

/** What was known of the transaction before a moment; null if nothing. */
export function labelBefore(tx: LabelledTransaction, time: number): boolean | null {
  if (!tx.labels) return tx.is_fraud
  const last = tx.labels.findLast(([, knownAt]) => knownAt < time)
  return last?.[0] ?? tx.source_label ?? null
}

/** When the transaction became known as a fraud, from `since` on, on days (UTC) that began and ended otherwise. */
export function lateFrauds(tx: LabelledTransaction, since: number): number[] {
  const labels = tx.labels ?? []
  return labels
    .filter(([isFraud, knownAt], i) => {
      const day = Math.floor(knownAt / DAY)
      const isLastOfDay = i === labels.length - 1 || Math.floor(labels[i + 1][1] / DAY) > day
      return isFraud && knownAt >= since && isLastOfDay && labelBefore(tx, day * DAY) !== true
    })
    .map(([, knownAt]) => knownAt)
}
