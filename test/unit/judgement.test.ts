import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultArtifact, openModel } from '../../pipeline/models/model.ts'
import { historyOf, simulate } from '../../pipeline/produce/simulator.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { judge } from '../support/batches.ts'

const COUNT = 100_000

/** What rules and model in force flag of a simulated history; another seed than the model's. */
function flagged(transactions: Transaction[]): Set<number> {
  const batch = judge(transactions, { model: openModel(defaultArtifact()) })
  return new Set(batch.anomalies.keys())
}

/** The share of frauds that the best single amount threshold finds at this precision. */
function recallOfAmountAlone(transactions: Transaction[], precision: number): number {
  const frauds = transactions.filter((tx) => tx.is_fraud).length
  let best = 0
  let found = 0
  transactions
    .toSorted((a, b) => b.amount - a.amount)
    .forEach((tx, i) => {
      if (tx.is_fraud) found++
      if (found / (i + 1) >= precision) best = Math.max(best, found / frauds)
    })
  return best
}

for (const seed of [2, 3, 4]) {
  test(`most simulated frauds are flagged, few others, and no amount alone would do (seed ${seed})`, (t) => {
    const transactions = simulate(historyOf(seed, COUNT, Date.UTC(2026, 5, 1)))
      .take(COUNT)
      .toArray()
    const rows = flagged(transactions)
    const hits = [...rows].filter((row) => transactions[row].is_fraud).length
    const share = rows.size / COUNT
    const precision = hits / rows.size
    const recall = hits / transactions.filter((tx) => tx.is_fraud).length
    const byAmount = recallOfAmountAlone(transactions, precision)
    const figures = { share, precision, recall, byAmount }
    t.diagnostic(JSON.stringify(figures))
    assert.ok(share >= 0.002 && share <= 0.03, JSON.stringify(figures))
    assert.ok(precision >= 0.5 && recall >= 0.5, JSON.stringify(figures))
    assert.ok(byAmount < recall / 2, JSON.stringify(figures))
  })
}
