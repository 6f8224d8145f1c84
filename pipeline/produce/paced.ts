import { setTimeout as sleep } from 'node:timers/promises'
import type { Transaction } from '../../schemas/transaction.ts'
import { BATCH_RECORDS, type Batch, nextBatch } from './batch.ts'

/** Milliseconds between two batches. */
const TICK = 25

export interface Pace {
  /** Transactions a second. */
  rate: number
  /** How long; endless by default. */
  seconds?: number
  signal?: AbortSignal
}

/**
 * Hands the transactions on at a steady rate, in small batches. Open loop: what a slow sink delayed is made up for
 * afterwards, so that rate x seconds transactions come in any case.
 */
export async function* paced(
  transactions: Iterator<Transaction>,
  { rate, seconds = Number.POSITIVE_INFINITY, signal }: Pace,
): AsyncGenerator<Batch> {
  const total = Math.round(rate * seconds)
  const started = performance.now()
  for (let passed = 0; passed < total && !signal?.aborted; ) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * rate)) - passed
    if (due > 0) {
      const batch = nextBatch(transactions, Math.min(due, BATCH_RECORDS))
      passed += batch.transactions.length
      yield batch
    }
    // Rejected by the signal, which ends the loop.
    if (due < BATCH_RECORDS && passed < total) await sleep(TICK, undefined, { signal }).catch(() => {})
  }
}
