import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBatch } from '../../pipeline/batch.ts'
import { F, FEATURE_COUNT, FEATURES } from '../../pipeline/features/features.ts'
import { ReferenceHistory } from '../../pipeline/features/reference-history.ts'
import { features } from '../../pipeline/stages/features.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { ownership } from '../support/batches.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

const DELAY = 7

/** Features of each transaction, by the stage and a history in memory, as the backtest computes them. */
async function featuresOf(transactions: Transaction[]): Promise<number[][]> {
  const references = new ReferenceHistory(DELAY)
  const stage = features(references)
  const owner = ownership()
  const rows: number[][] = []
  for (const tx of transactions) {
    const batch = createBatch(owner, 0, 1, [])
    batch.transactions = [tx]
    await stage(batch)
    references.add(tx, batch.features[F.amount_ratio])
    rows.push([...batch.features.subarray(0, FEATURE_COUNT)])
    owner.states.commit(batch.undo!)
    owner.judged.shift()
  }
  return rows
}

const steps = fc.array(
  fc.record({
    account: fc.constantFrom('a-1', 'a-2', 'a-3'),
    merchant: fc.constantFrom('m-1', 'm-2'),
    wait: fc.oneof(fc.constantFrom(0, 1, DAY - 1, DAY), fc.nat(2 * DAY)),
    amount: fc.integer({ min: 1_0000, max: 500_0000 }),
    isFraud: fc.constantFrom(true, false, null),
  }),
  { minLength: 30, maxLength: 60 },
)

function history(all: typeof steps extends fc.Arbitrary<infer T> ? T : never): Transaction[] {
  let timestamp = NOON
  return all.map(({ account, merchant, wait, amount, isFraud }) => {
    timestamp += wait
    return transaction({
      account_id: account,
      merchant_id: merchant,
      timestamp,
      amount,
      is_fraud: isFraud,
    })
  })
}

test('no feature moves when the future is cut off and all labels younger than the delay are scrambled', async () => {
  let moved = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (all, nat) => {
      const whole = history(all)
      const end = (nat % whole.length) + 1
      const now = whole[end - 1].timestamp
      const scrambled = whole.slice(0, end).map((tx) => {
        if (tx.timestamp + DELAY * DAY <= now) return tx
        return { ...tx, is_fraud: !tx.is_fraud }
      })
      const expected = (await featuresOf(whole)).slice(0, end)
      const rows = await featuresOf(scrambled)
      rows.forEach((row, i) => {
        FEATURES.forEach((name, column) => {
          assert.equal(row[column], expected[i][column], `${name}, row ${i} of ${end}`)
        })
      })
      // The older labels do count: else nothing would be tested here.
      const other = await featuresOf(whole.map((tx) => ({ ...tx, is_fraud: !tx.is_fraud })))
      if (other.some((row, i) => row[F.last_label] !== (expected[i] ?? row)[F.last_label])) moved++
    }),
    { numRuns: 60 },
  )
  assert.ok(moved > 30, `labels moved features in ${moved} of 60 histories`)
})
