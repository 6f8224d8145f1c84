import { randomUUID } from 'node:crypto'
import { simulate } from '../pipeline/produce/simulator.ts'
import { DAY } from '../schemas/time.ts'
import type { Transaction } from '../schemas/transaction.ts'

export interface Workload {
  records: number
  accounts: number
  /** As banks have them: in order, or random. */
  ids: 'sequential' | 'uuid'
}

/** The traffic ends before this, whatever its length: the pipeline refuses event times in the future. */
const END = Date.UTC(2026, 0, 1)
/** Fewer than the simulator's accounts make in fact, so that the estimated days suffice. */
const PER_ACCOUNT_AND_DAY = 2
const SEED = 1

/** Time before which none of the transactions is. */
export const startOf = ({ records, accounts }: Pick<Workload, 'records' | 'accounts'>): number =>
  END - (Math.ceil(records / (accounts * PER_ACCOUNT_AND_DAY)) + 1) * DAY

/** The simulator's transactions, endless, in the order of event time: the same ones for a seed, but for UUIDs. */
export function* transactions(
  { records, accounts, ids }: Workload,
  seed = SEED,
): Generator<Transaction, never> {
  const stream = simulate({ seed, accounts, start: startOf({ records, accounts }) })
  for (;;) {
    const transaction = stream.next().value
    // A stream knows no labels yet. With them, what is known of merchants would depend on how far the rows had come.
    transaction.is_fraud = null
    if (ids === 'uuid') transaction.transaction_id = randomUUID()
    yield transaction
  }
}
