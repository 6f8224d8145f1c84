import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AccountStates } from '../../pipeline/features/account-states.ts'
import { labelledRows } from '../../pipeline/train/rows.ts'
import type { TrainingTransactions } from '../../pipeline/train/sources.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

async function* inBatches(...batches: Transaction[][]): TrainingTransactions {
  const states = new AccountStates(DAY)
  for (const transactions of batches) yield { states, transactions }
}

const dayOf = (day: number, is_fraud: boolean | null, amount = 10_0000): Transaction =>
  transaction({ timestamp: NOON + day * DAY, is_fraud, amount })

test('what has no label, or is too young for one to be known, is left out, but is part of the account', async () => {
  const rows = await labelledRows(
    inBatches(
      [dayOf(0, false), dayOf(1, null), dayOf(2, true)],
      [dayOf(3, false), dayOf(3.001, true), dayOf(10, null)],
    ),
    ['account_count', 'amount'],
    7,
  )
  assert.deepEqual(
    rows.values.map((part) => [...part]),
    [
      [0, 10, 2, 10],
      [3, 10],
    ],
  )
  assert.deepEqual(
    rows.labels.map((part) => [...part]),
    [[0, 1], [0]],
  )
  assert.deepEqual(rows.leftOut, { unlabelled: 2, too_young: 1 })
  assert.deepEqual([rows.from, rows.to], [NOON, NOON + 3 * DAY])
})

test('without a delay all labels count; the columns come in the order asked for', async () => {
  const rows = await labelledRows(inBatches([dayOf(0, false, 5_0000), dayOf(1, true)]), ['amount', 'late'], 0)
  assert.deepEqual([...rows.values[0]], [5, 0, 10, 0])
  assert.deepEqual([...rows.labels[0]], [0, 1])
})

test('Ctrl-C ends the reading', async () => {
  const rows = labelledRows(inBatches([dayOf(0, true)]), ['amount'], 7, AbortSignal.abort())
  await assert.rejects(rows, { name: 'AbortError' })
})
