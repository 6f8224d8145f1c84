import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEATURES } from '../../pipeline/features/features.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { score } from '../../pipeline/stages/score.ts'
import { batchOf, constantModel, judge } from '../support/batches.ts'
import { rulesOf } from '../support/rules-file.ts'
import { HOUR, NOON, transaction } from '../support/transactions.ts'

test('the score is the highest of the model and the rules that hit', (t) => {
  const rules = rulesOf(
    t,
    { code: 'LOW', score: 0.3, when: 'amount >= 1.0' },
    { code: 'HIGH', score: 0.9, when: 'amount >= 2.0' },
    { code: 'MIDDLE', score: 0.5, when: 'amount >= 1.0' },
  )
  const scores = (model: number) => [
    ...judge(
      [0, 1, 2].map((n) => transaction({ amount: n * 10_000 })),
      { rules, model: constantModel(model) },
    ).scores,
  ]
  assert.deepEqual(scores(0), [0, 0.5, Math.fround(0.9)])
  assert.deepEqual(scores(0.6), [Math.fround(0.6), Math.fround(0.6), Math.fround(0.9)])
  assert.deepEqual(scores(1), [1, 1, 1])
})

test('a score equal to the threshold is an anomaly, though 0.7 is not a 32-bit number', (t) => {
  const rules = rulesOf(t, { code: 'EXACT', score: 0.7, when: 'amount >= 1.0' })
  const batch = judge([transaction({ amount: 1_0000 }), transaction({ amount: 9999 })], { rules })
  assert.deepEqual([...batch.anomalies.keys()], [0])
  assert.equal(batch.scores[0], Math.fround(0.7))
  const byModel = (value: number) => judge([transaction()], { model: constantModel(value) }).anomalies.size
  assert.equal(byModel(0.7), 1)
  assert.equal(byModel(0.6999), 0)
})

test('the reasons are those at or above the threshold: best first, ties in the order of the rules, the model last', (t) => {
  const rules = rulesOf(
    t,
    { code: 'B', score: 0.8, when: 'true' },
    { code: 'BELOW', score: 0.69, when: 'true' },
    { code: 'MISSED', score: 1, when: 'amount < 0.0' },
    { code: 'BEST', score: 0.9, when: 'true' },
    { code: 'A', score: 0.8, when: 'true' },
  )
  const reasons = (model: number) =>
    judge([transaction()], { rules, model: constantModel(model) })
      .anomalies.get(0)
      ?.reasons.map((r) => [r.code, r.score])
  assert.deepEqual(reasons(0.8), [
    ['BEST', 0.9],
    ['B', 0.8],
    ['A', 0.8],
    ['MODEL', 0.8],
  ])
  assert.deepEqual(reasons(0.95)?.[0], ['MODEL', 0.95])
  assert.equal(reasons(0.69)?.length, 3)
})

test('reasons that tie in the stored 32 bits tie, whatever their doubles', (t) => {
  const rules = rulesOf(
    t,
    { code: 'FIRST', score: 0.8, when: 'true' },
    { code: 'SECOND', score: 0.8 + 1e-12, when: 'true' },
  )
  const batch = judge([transaction()], { rules, model: constantModel(0.8 + 1e-12) })
  assert.deepEqual(
    batch.anomalies.get(0)?.reasons.map((r) => r.code),
    ['FIRST', 'SECOND', 'MODEL'],
  )
})

test("an anomaly's features are stored with its home; what is unknown is null", () => {
  const first = judge([transaction({ amount: 9_999_999_999_999 })]).anomalies.get(0)
  assert.deepEqual(Object.keys(first!.features), [...FEATURES, 'home'])
  assert.equal(first!.features.amount, 999_999_999.9999)
  assert.equal(first!.features.count_1h, 0)
  assert.equal(first!.features.account_mean, null)
  assert.equal(first!.features.home, null)
  const history = Array.from({ length: 6 }, (_, i) =>
    transaction({ timestamp: NOON + i * HOUR, amount: i * 10_000 }),
  )
  const away = transaction({ timestamp: NOON + 6 * HOUR, amount: 5000_0000, location: 'Oslo' })
  const { features } = judge([...history, away]).anomalies.get(6)!
  assert.equal(features.home, 'Lyon')
  assert.equal(features.away_from_home, 1)
  assert.equal(features.deviation, 2671.276113) // (5000 - 2.5) / sqrt(3.5)
  assert.equal(JSON.stringify(features).includes('NaN'), false)
})

test('sums of hundreds of large amounts are stored exactly', () => {
  const amounts = [...Array(493).fill(9_999_999_999_999), 5_368_588_275_177, 5000_0000]
  const batch = judge(amounts.map((amount) => transaction({ amount })))
  assert.equal(batch.anomalies.get(494)?.features.sum_24h, 493_536_858_827.4684)
})

test('the messages of the shipped rules tell the figures', () => {
  const usual = (i: number) => transaction({ timestamp: NOON + i * 1000, amount: 10_0000 + (i % 2) * 10_000 })
  const history = Array.from({ length: 10 }, (_, i) => usual(i))
  const last = {
    timestamp: NOON + HOUR / 2,
    merchant_category: 'Gambling',
    location: 'Oslo',
    amount: 5000_1200,
  }
  const batch = judge([...history, transaction(last)], { model: constantModel(0.7) })
  assert.deepEqual(
    batch.anomalies.get(10)?.reasons.map((r) => r.message),
    [
      "The amount of 5,000.12 EUR is 9,467.14 standard deviations above the account's mean of 10.50.",
      'The amount of 5,000.12 EUR is at least 5000.',
      'This comes after 10 transactions of the account within an hour.',
      "Gambling in Oslo, away from the account's home Lyon.",
      'Unusual for this account: no one thing by itself.',
    ],
  )
})

test('scoring a batch again replaces what was decided before', (t) => {
  const rules = rulesOf(t, { code: 'BIG', score: 0.9, when: 'amount >= 2.0' })
  const step = score(rules, constantModel(0), 0.7)
  const batch = computeFeatures(batchOf([1, 2].map((n) => transaction({ amount: n * 10_000 }))))
  step(batch)
  assert.deepEqual([...batch.anomalies.keys()], [1])
  batch.transactions.shift()
  batch.owner.judged.shift()
  batch.owner.states.undo(batch.undo!)
  step(computeFeatures(batch))
  assert.deepEqual([...batch.anomalies.keys()], [0])
  assert.equal(batch.scores.length, 1)
})
