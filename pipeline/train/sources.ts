import type pg from 'pg'
import type { Transaction } from '../../schemas/transaction.ts'
import { AccountStates } from '../features/account-states.ts'
import { take } from '../produce/batch.ts'
import { readFile } from '../produce/read-file.ts'
import { historyOf, simulate } from '../produce/simulator.ts'

/** Transactions to train on, each with the state that it belongs to. */
export type TrainingTransactions = AsyncIterable<{ states: AccountStates; transactions: Transaction[] }>

/** A file as `npm run produce` reads it, as if it had been one partition. */
export async function* fromFile(
  path: string,
  latenessMs: number,
  warn: (m: string) => void,
): TrainingTransactions {
  const states = new AccountStates(latenessMs)
  const { batches } = await readFile(path, { warn })
  for await (const { transactions } of batches) yield { states, transactions }
}

/** A history by the simulator: what the shipped model is trained on. The end is fixed, so that a seed repeats it. */
export async function* fromSimulator(count: number, seed: number, latenessMs: number): TrainingTransactions {
  const states = new AccountStates(latenessMs)
  const history = simulate(historyOf(seed, count, Date.UTC(2026, 0, 1)))
  for await (const { transactions } of take(history, count)) yield { states, transactions }
}

const ROWS = 20_000

/** Stored transactions with event time in [from, to), in the order in which the pipeline saw each partition. */
export async function* fromTable(
  client: pg.ClientBase,
  from: Date,
  to: Date,
  latenessMs: number,
): TrainingTransactions {
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await client.query(
    `DECLARE training NO SCROLL CURSOR FOR
     SELECT kafka_partition, transaction_id, account_id, (extract(epoch FROM timestamp) * 1000)::bigint AS timestamp,
            (amount * 10000)::bigint AS amount, currency, merchant_id, merchant_category, location, channel, is_fraud
     FROM transactions WHERE timestamp >= '${from.toISOString()}' AND timestamp < '${to.toISOString()}'
     ORDER BY kafka_partition, kafka_offset`,
  )
  let partition = -1
  let states = new AccountStates(latenessMs)
  for (;;) {
    const { rows } = await client.query<Transaction & { kafka_partition: number }>(
      `FETCH ${ROWS} FROM training`,
    )
    if (rows.length === 0) break
    for (const [number, transactions] of Map.groupBy(rows, (row) => row.kafka_partition)) {
      if (number !== partition) states = new AccountStates(latenessMs)
      partition = number
      yield { states, transactions }
    }
  }
  await client.query('COMMIT')
}
