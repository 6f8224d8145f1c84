import type { Transaction } from '../../schemas/transaction.ts'

/** A line that cannot become an Avro record. */
export interface BadLine {
  /** Physical line of the file, the first one (a CSV's header) being 1. */
  line: number
  reason: string
}

/** What a source of transactions hands on at a time. */
export interface Batch {
  transactions: Transaction[]
  bad: BadLine[]
  /** Amounts among the transactions that were written with more than four decimals. */
  rounded: number
}

/** Records in one batch, at most. */
export const BATCH_RECORDS = 5000

/**
 * The first `count` transactions of an endless source, in batches.
 * @param count how many; less only if the source ends
 */
export async function* take(transactions: Iterator<Transaction>, count: number): AsyncGenerator<Batch> {
  for (let left = count; left > 0; ) {
    const batch = nextBatch(transactions, Math.min(left, BATCH_RECORDS))
    if (batch.transactions.length === 0) return
    left -= batch.transactions.length
    yield batch
  }
}

/** The next `count` transactions as a batch; fewer if the source ends. */
export function nextBatch(transactions: Iterator<Transaction>, count: number): Batch {
  const batch: Batch = { transactions: [], bad: [], rounded: 0 }
  while (batch.transactions.length < count) {
    const next = transactions.next()
    if (next.done) break
    batch.transactions.push(next.value)
  }
  return batch
}
