import type pg from 'pg'
import type { Channel, Transaction } from '../../schemas/transaction.ts'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { AccountStates } from '../features/account-states.ts'
import { FEATURE_COUNT } from '../features/features.ts'

const ROWS = 20_000

/** Account, event time in milliseconds, amount in units, location. */
type StateRow = [string, number, number, string]

/**
 * Brings a partition's state to the position: its stored transactions, in the order of their offsets, go through the
 * very function that computed their features. What was skipped is not in the table, hence left out again. Where the
 * position was set back by hand, those behind it count too: their records will be duplicates, which change no state.
 * @returns how many transactions
 */
export async function rebuildStates(
  client: pg.ClientBase,
  states: AccountStates,
  partition: number,
): Promise<number> {
  let count = 0
  const features = new Float64Array(FEATURE_COUNT)
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    await client.query({
      text: `DECLARE history NO SCROLL CURSOR FOR
        SELECT account_id, (extract(epoch FROM timestamp) * 1000)::bigint AS ms,
               (amount * ${AMOUNT_UNITS})::bigint AS units, location
        FROM transactions WHERE kafka_partition = ${Math.trunc(partition)}
        ORDER BY kafka_offset`,
    })
    for (;;) {
      const { rows } = await client.query<StateRow>({ text: `FETCH ${ROWS} FROM history`, rowMode: 'array' })
      if (rows.length === 0) break
      const undo = states.begin()
      for (const row of rows) states.observe(transactionOf(row), undo, features, 0)
      states.commit(undo)
      count += rows.length
    }
  } finally {
    await client.query('COMMIT')
  }
  return count
}

/** What the state depends on; the rest of a transaction does not enter it. */
const transactionOf = ([account_id, timestamp, amount, location]: StateRow): Transaction => ({
  transaction_id: '',
  account_id,
  timestamp,
  amount,
  currency: '',
  merchant_id: null,
  merchant_category: '',
  location,
  channel: 'OTHER' satisfies Channel,
  is_fraud: null,
})
