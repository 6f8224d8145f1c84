import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { outcomeAt, thresholdFor } from '../../pipeline/backtest/alerts.ts'
import { cardPrecision } from '../../pipeline/backtest/card-precision.ts'
import { aucRoc, averagePrecision, rank } from '../../pipeline/backtest/ranking.ts'
import { FRAUD, GOOD, type Tested, UNKNOWN } from '../../pipeline/backtest/tested.ts'

/** Score, label, and where it matters the account, the day and the amount in units. */
type Row = [score: number, label: number, account?: number, day?: number, amount?: number]

const tested = (rows: Row[]): Tested => ({
  scores: Float32Array.from(rows, ([score]) => score),
  labels: Uint8Array.from(rows, ([, label]) => label),
  accounts: Int32Array.from(rows, ([, , account = 0]) => account),
  days: Int32Array.from(rows, ([, , , day = 0]) => day),
  amounts: Float64Array.from(rows, ([, , , , amount = 0]) => amount),
})

const ranked = (rows: Row[]) => rank(tested(rows))

test('without ties the curves are those that one counts by hand', () => {
  const ranking = ranked([
    [0.1, GOOD],
    [0.9, FRAUD],
    [0.8, GOOD],
    [0.7, FRAUD],
    [0.2, GOOD],
  ])
  // Of six pairs of a fraud and another one is in the wrong order.
  assert.equal(aucRoc(ranking), 5 / 6)
  assert.equal(averagePrecision(ranking), (1 / 1 + 2 / 3) / 2)
})

test('equal scores count half in the AUC and are one step of the average precision, in whatever order they come', () => {
  const rows: Row[] = [
    [0.5, FRAUD],
    [0.5, GOOD],
    [0.5, GOOD],
    [0.9, FRAUD],
    [0.5, GOOD],
    [0.1, GOOD],
  ]
  for (const order of [rows, rows.toReversed()]) {
    const ranking = ranked(order)
    assert.equal(aucRoc(ranking), (4 + 1 + 3 * 0.5) / 8)
    assert.equal(averagePrecision(ranking), (1 + 2 / 5) / 2)
  }
  const same = ranked(rows.map(([, label]) => [0.7, label]))
  assert.equal(aucRoc(same), 0.5)
  assert.equal(averagePrecision(same), 2 / 6)
})

test('AUC, average precision, precision and recall are those of scikit-learn, ties included', () => {
  const file = new URL('../fixtures/ranking.json', import.meta.url)
  const cases = JSON.parse(readFileSync(file, 'utf8'))
  for (const { scores, labels, threshold, ...expected } of cases) {
    const ranking = ranked(scores.map((score: number, i: number): Row => [score, labels[i]]))
    const { precision, recall } = outcomeAt(ranking, threshold, 1)
    const figures = {
      auc_roc: aucRoc(ranking),
      average_precision: averagePrecision(ranking),
      precision,
      recall,
    }
    for (const [name, figure] of Object.entries(figures))
      assert.ok(Math.abs(figure! - expected[name]) < 1e-12, `${name}: ${figure} / ${expected[name]}`)
  }
  assert.ok(cases.length >= 5)
})

test('where there is nothing to tell apart there is no figure', () => {
  for (const rows of [[], [[0.5, GOOD] as Row], [[0.5, UNKNOWN] as Row]]) {
    assert.equal(aucRoc(ranked(rows)), null)
    assert.equal(averagePrecision(ranked(rows)), null)
    assert.equal(outcomeAt(ranked(rows), 0.5, 1).recall, null)
  }
  assert.equal(aucRoc(ranked([[0.5, FRAUD]])), null)
  assert.equal(averagePrecision(ranked([[0.5, FRAUD]])), 1)
  assert.equal(cardPrecision(tested([]), 10), null)
})

test('what has no label is an alert, but neither right nor wrong', () => {
  const ranking = ranked([
    [0.9, UNKNOWN],
    [0.8, FRAUD],
    [0.8, UNKNOWN],
    [0.6, GOOD],
    [0.1, UNKNOWN],
  ])
  assert.equal(aucRoc(ranking), 1)
  assert.equal(averagePrecision(ranking), 1)
  const { alerts_per_day, precision, recall } = outcomeAt(ranking, 0.6, 2)
  assert.deepEqual({ alerts_per_day, precision, recall }, { alerts_per_day: 2, precision: 0.5, recall: 1 })
  assert.equal(outcomeAt(ranking, 0.85, 2).precision, null)
})

test('at a threshold: alerts from it on, compared in 32 bits, and the money of the frauds found and missed', () => {
  const rows: Row[] = [
    [0.9, FRAUD, 0, 0, 30_0000],
    [0.7, FRAUD, 0, 0, 5_0000],
    [0.7, GOOD, 0, 0, 1000_0000],
    [0.6999, FRAUD, 0, 0, 7_5000],
    [0.2, FRAUD, 0, 0, Number.NaN],
  ]
  const { threshold, ...outcome } = outcomeAt(ranked(rows), 0.7, 2)
  assert.equal(threshold, 0.7)
  assert.deepEqual(outcome, {
    alerts_per_day: 1.5,
    precision: 2 / 3,
    recall: 0.5,
    caught: 35_0000,
    missed: 7_5000,
  })
  assert.deepEqual(outcomeAt(ranked(rows), 0.95, 2), {
    threshold: 0.95,
    alerts_per_day: 0,
    precision: null,
    recall: 0,
    caught: 0,
    missed: 42_5000,
  })
})

test('the threshold for a budget is the lowest that keeps to it; equal scores are alerts all or none', () => {
  const ranking = ranked([0.9, 0.8, 0.8, 0.8, 0.3, 0.1].map((score) => [score, GOOD]))
  const found = [1, 3, 4, 5, 100].map((most) => thresholdFor(ranking, most))
  assert.deepEqual(found, [0.9, 0.9, 0.8, 0.3, 0.1].map(Math.fround))
  for (const [i, most] of [1, 3, 4, 5, 100].entries())
    assert.ok(outcomeAt(ranking, found[i]!, 1).alerts_per_day <= most)
  assert.equal(thresholdFor(ranked([0.9, 0.9].map((score) => [score, GOOD])), 1), null)
})

test('card precision: each account by its highest score, the first k of each day, and the found ones leave', () => {
  const rows: Row[] = [
    // Day 1: accounts 1 and 2 are looked at; the fraud of 2 is not its highest row, that of 3 is too low.
    [0.9, GOOD, 1, 1],
    [0.8, GOOD, 2, 1],
    [0.1, FRAUD, 2, 1],
    [0.7, FRAUD, 3, 1],
    // Day 2: 2 has left, so 3 and 1 are looked at.
    [0.9, FRAUD, 2, 2],
    [0.8, FRAUD, 3, 2],
    [0.7, GOOD, 1, 2],
    [0.1, FRAUD, 4, 2],
    // Day 3: 3 has left, too; fewer accounts than k are left.
    [0.9, FRAUD, 3, 3],
    [0.5, FRAUD, 1, 3],
  ]
  assert.equal(cardPrecision(tested(rows), 2), (1 / 2 + 1 / 2 + 1 / 2) / 3)
  assert.equal(cardPrecision(tested(rows), 1), (0 + 1 / 1 + 1 / 1) / 3)
  // A row with a later day may come first.
  assert.equal(cardPrecision(tested(rows.toSorted((a, b) => b[3]! - a[3]!)), 2), 0.5)
})

test('card precision: among equal scores the first to come that day is looked at, fraud or not', () => {
  const rows: Row[] = [
    [0.8, GOOD, 1],
    [0.3, FRAUD, 2],
    [0.8, FRAUD, 3],
    [0.8, FRAUD, 2],
  ]
  assert.equal(cardPrecision(tested(rows), 1), 0)
  assert.equal(cardPrecision(tested(rows), 2), 1 / 2)
  assert.equal(cardPrecision(tested(rows.toReversed()), 1), 1)
})
