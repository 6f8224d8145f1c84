import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conflictOf, type Options } from '../../pipeline/backtest/options.ts'
import { isLearnable, KnownFrauds, type Protocol, selectTested } from '../../pipeline/backtest/protocol.ts'
import { backtest } from '../../pipeline/backtest/run.ts'
import { GOOD, TestedRows } from '../../pipeline/backtest/tested.ts'
import { createOwnership } from '../../pipeline/batch.ts'
import { AccountStates } from '../../pipeline/features/account-states.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { ReferenceHistory } from '../../pipeline/features/reference-history.ts'
import { dayOf } from '../../pipeline/history/days.ts'
import type { Input } from '../../pipeline/history/sources.ts'
import { defaultArtifact, type Model } from '../../pipeline/models/model.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { loadRules } from '../../pipeline/rules/rules.ts'
import type { Learner } from '../../pipeline/train/learners.ts'
import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { transaction } from '../support/transactions.ts'

const HOUR = DAY / 24
const START = Date.UTC(2026, 0, 1)
const day = (n: number): number => START + n * DAY

/** Trained on the days 20 to 39, tested on 47 to 49. */
const PROTOCOL: Protocol = {
  train: { from: day(20), to: day(40) },
  test: { from: day(47), to: day(50) },
  delayDays: 7,
  keepKnown: false,
}

test('learned from is what is in the training span and whose label is known when the test begins', () => {
  const learnable = (changes: Partial<Protocol>, time: number) =>
    isLearnable({ ...PROTOCOL, ...changes }, time)
  assert.deepEqual(
    [day(20) - 1, day(20), day(40) - 1, day(40)].map((time) => learnable({}, time)),
    [false, true, true, false],
  )
  // With a longer delay the end of the span is too young: 7 x 24 h to the millisecond.
  const later = { test: { from: day(45) + HOUR, to: day(50) } }
  assert.ok(learnable(later, day(38) + HOUR))
  assert.ok(!learnable(later, day(38) + HOUR + 1))
  assert.ok(!learnable({ train: undefined }, day(30)))
})

test('an account stays out from the day on which a fraud of it is known, if that is recent enough', () => {
  const left = (fraudDays: number[], protocol = PROTOCOL): number[] => {
    const known = new KnownFrauds(protocol)
    const rows = new TestedRows()
    for (const fraud of fraudDays) known.note(1, dayOf(day(fraud)))
    for (const tested of [47, 48, 49]) {
      rows.add(0, GOOD, 1, dayOf(day(tested)), 0)
      rows.add(0, GOOD, 2, dayOf(day(tested)), 0)
    }
    const { accounts, days } = selectTested(rows, known, protocol)
    assert.equal(accounts.filter((account) => account === 2).length, 3, 'the other account stays')
    return [...days].filter((_, i) => accounts[i] === 1).map((n) => n - dayOf(START))
  }
  assert.deepEqual(left([32]), [47, 48, 49], 'longer ago than 7 days before the end of training')
  assert.deepEqual(left([33]), [])
  assert.deepEqual(left([39]), [])
  assert.deepEqual(left([40]), [47], 'known a delay and a day later')
  assert.deepEqual(left([41]), [47, 48])
  assert.deepEqual(left([42, 49]), [47, 48, 49])
  assert.deepEqual(left([42, 32, 41]), [47, 48])
  assert.deepEqual(left([33], { ...PROTOCOL, keepKnown: true }), [47, 48, 49])
  // Untrained: as if training had ended as late as the delay allows, at day 40.
  assert.deepEqual(left([32], { ...PROTOCOL, train: undefined }), [47, 48, 49])
  assert.deepEqual(left([33], { ...PROTOCOL, train: undefined }), [])
  // Without a test span all is tested.
  assert.deepEqual(left([33], { ...PROTOCOL, train: undefined, test: undefined }), [47, 48, 49])
})

test('more rows than there was room for are kept', () => {
  const rows = new TestedRows()
  const count = 70_000 * 3
  for (let i = 0; i < count; i++) rows.add(i / count, i % 3, i, i % 5, i * 2)
  const tested = rows.select(() => true)
  assert.equal(tested.scores.length, count)
  for (const i of [0, 65_535, 65_536, count - 1])
    assert.deepEqual(
      [tested.scores[i], tested.labels[i], tested.accounts[i], tested.days[i], tested.amounts[i]],
      [Math.fround(i / count), i % 3, i, i % 5, i * 2],
    )
})

/** Thirty days of a few accounts at a few merchants; one of ten is fraud. */
function history(seed: number): Transaction[] {
  const random = createRandom(seed)
  return Array.from({ length: 3000 }, (_, i) =>
    transaction({
      transaction_id: `${i}`,
      account_id: `a-${random.integer(1, 25)}`,
      merchant_id: `m-${random.integer(1, 8)}`,
      timestamp: START + Math.floor((i / 100) * DAY),
      amount: 10_0000 + random.integer(0, 100_0000),
      is_fraud: random.unit() < 0.1,
    }),
  )
}

/** In batches of a day. */
async function* inputOf(transactions: Transaction[]): AsyncGenerator<Input> {
  const owner = createOwnership('', 0, 0, new AccountStates(DAY))
  for (const [, some] of Map.groupBy(transactions, (tx) => dayOf(tx.timestamp)))
    yield { owner, transactions: some }
}

/** A score that every feature moves. */
const MOVED_BY_ALL: Model = {
  version: 'test',
  score(features, at) {
    let sum = 0
    for (let i = 0; i < FEATURE_COUNT; i++)
      sum += (i + 1) * (Number.isNaN(features[at + i]) ? -1 : features[at + i])
    return Math.abs(Math.sin(sum))
  },
  explain: () => [],
}

const run = (transactions: Transaction[], protocol: Protocol, decider: Model | Learner = MOVED_BY_ALL) =>
  backtest({
    source: { batches: inputOf(transactions), references: new ReferenceHistory(protocol.delayDays) },
    protocol,
    rules: { ...loadRules(), rules: [] },
    decider,
    threshold: 2,
    onProgress() {},
    signal: new AbortController().signal,
  })

test('no leak: neither the future nor a label that is younger than the delay moves any feature', async () => {
  const test = { from: day(20) + 10 * HOUR, to: day(20) + 11 * HOUR }
  const protocol: Protocol = { test, delayDays: 7, keepKnown: true }
  const all = history(1)
  const scrambled = (since: number): Transaction[] =>
    all
      .filter((tx) => tx.timestamp < test.to)
      .map((tx) => (tx.timestamp > since ? { ...tx, is_fraud: !tx.is_fraud } : tx))
  const scores = async (transactions: Transaction[]) => [...(await run(transactions, protocol)).tested.scores]
  const before = await scores(all)
  assert.ok(before.length >= 4)
  assert.deepEqual(await scores(scrambled(test.to - 7 * DAY)), before)
  // Could it have been seen? Labels that are older do move the scores.
  assert.notDeepEqual(await scores(scrambled(test.from - 7 * DAY - HOUR)), before)
  assert.notDeepEqual(await scores(scrambled(0)), before)
})

test('a model is trained once, with what came before the test, and then decides', async () => {
  const transactions = history(2)
  const learner = {
    taken: 0,
    trained: 0,
    take(batch: { transactions: Transaction[] }) {
      assert.ok(batch.transactions.every((tx) => tx.timestamp < day(21)))
      this.taken += batch.transactions.length
    },
    async train() {
      this.trained++
      return defaultArtifact()
    },
  }
  const protocol = { train: { from: START, to: day(10) }, test: { from: day(20), to: day(22) }, delayDays: 7 }
  const result = await run(transactions, { ...protocol, keepKnown: true }, learner)
  assert.equal(learner.trained, 1)
  assert.equal(learner.taken, 2100)
  assert.equal(result.tested.scores.length, 200)
  assert.equal(result.transactions, 3000)
  assert.deepEqual(result.trained, defaultArtifact())
  const other = await run(transactions, { ...protocol, keepKnown: false }, learner)
  assert.ok(other.leftOut > 0)
  assert.equal(other.leftOut + other.tested.scores.length, 200)
})

test('a test span without a transaction is an error, not a report of nothing', async () => {
  const protocol = { test: { from: day(40), to: day(41) }, delayDays: 7, keepKnown: false }
  await assert.rejects(run(history(3), protocol), /no transaction to test/)
})

test('options that do not go together are refused with what is wrong', () => {
  const given = { input: 'file', delayDays: 7, seed: 1, trees: 100, leaves: 15 }
  const conflict = (changes: Partial<Options>) => conflictOf({ ...given, ...changes })
  const train = { trainFrom: day(1), trainUntil: day(2) }
  const test = { testFrom: day(2), testTo: day(3) }
  assert.equal(conflict({}), undefined)
  assert.equal(conflict({ ...train, ...test }), undefined)
  assert.match(conflict({ from: day(1), to: day(2) })!, /one of: --input/)
  assert.match(conflict({ input: undefined })!, /one of: --input/)
  assert.match(conflict({ input: undefined, from: day(1) })!, /--from and --to/)
  assert.match(conflict({ ...test, trainFrom: day(1) })!, /--train-from and --train-until/)
  assert.match(conflict(train)!, /no test/)
  assert.match(conflict({ testFrom: day(3), testTo: day(3) })!, /--test-from must be before/)
  assert.match(conflict({ ...train, testFrom: day(1), testTo: day(3) })!, /before --train-until/)
  assert.match(conflict({ threshold: 0.5, alertsPerDay: 3 })!, /exclude each other/)
})
