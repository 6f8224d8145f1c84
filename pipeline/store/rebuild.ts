import type pg from 'pg'
import type { Channel, Transaction } from '../../schemas/transaction.ts'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { AccountStates } from '../features/account-states.ts'
import { FEATURE_COUNT } from '../features/features.ts'

const ROWS = 20_000

/** Account, event time in milliseconds, amount in units, currency, merchant, category, location, channel, offset. */
export type StateRow = [string, number, number, string, string | null, string, string, Channel, number]

/**
 * Brings a partition's state up to date: its stored transactions, in the order of their offsets, go through the very
 * function that computed their features. What was skipped is not in the table, hence left out again; and the table
 * holds them for longer than the topic may. Where the position was set back by hand, those behind it count too: their
 * records will be duplicates, which change no state.
 * @param history the transactions that `states` has not seen
 * @returns how many they were, and the offset after the last one; null if there was none
 */
export async function rebuildStates(
  states: AccountStates,
  history: AsyncIterable<StateRow[]>,
): Promise<{ count: number; next: number | null }> {
  let count = 0
  let next: number | null = null
  const features = new Float64Array(FEATURE_COUNT)
  for await (const rows of history) {
    const undo = states.begin()
    for (const row of rows) states.observe(transactionOf(row), undo, features, 0)
    states.commit(undo)
    count += rows.length
    next = rows[rows.length - 1][8] + 1
  }
  return { count, next }
}

/** A partition's stored transactions from an offset on, in the order of their offsets, some at a time. */
export async function* readHistory(
  client: pg.ClientBase,
  partition: number,
  from: number,
): AsyncGenerator<StateRow[]> {
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    await client.query({
      text: `DECLARE history NO SCROLL CURSOR FOR
        SELECT account_id, (extract(epoch FROM timestamp) * 1000)::bigint AS ms,
               (amount * ${AMOUNT_UNITS})::bigint AS units, currency, merchant_id, merchant_category, location, channel,
               kafka_offset
        FROM transactions WHERE kafka_partition = ${Math.trunc(partition)} AND kafka_offset >= ${Math.trunc(from)}
        ORDER BY kafka_offset`,
    })
    for (;;) {
      const { rows } = await client.query<StateRow>({ text: `FETCH ${ROWS} FROM history`, rowMode: 'array' })
      if (rows.length === 0) return
      yield rows
    }
  } finally {
    // After an error the connection is closed in any case; the cause counts.
    await client.query('COMMIT').catch(() => {})
  }
}

/** What the state depends on; the rest of a transaction does not enter it. */
const transactionOf = ([
  account_id,
  timestamp,
  amount,
  currency,
  merchant_id,
  merchant_category,
  location,
  channel,
]: StateRow): Transaction => ({
  transaction_id: '',
  account_id,
  timestamp,
  amount,
  currency,
  merchant_id,
  merchant_category,
  location,
  channel,
  is_fraud: null,
})
