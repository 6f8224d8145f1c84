import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccountStates, AHEAD } from '../../pipeline/features/account-states.ts'
import { F, FEATURE_COUNT, type Feature } from '../../pipeline/features/features.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { feature, judge, ownership } from '../support/batches.ts'
import { histories, latenesses } from '../support/histories.ts'
import { EXACT, type Expected, expectedFeatures, ROUNDED } from '../support/oracle.ts'
import { DAY, HOUR, NOON, transaction } from '../support/transactions.ts'

/** The worst of Welford's rounding: a few units in the last place, times the condition, times the root of the count. */
const EPSILON = 2 ** -52

function assertAsExpected(transactions: Transaction[], latenessMs: number): void {
  const owner = ownership({ latenessMs })
  const batch = judge(transactions, { owner })
  expectedFeatures(transactions, latenessMs).forEach((expected, row) => {
    const where = `row ${row} of ${transactions.length}`
    for (const name of EXACT) assert.equal(feature(batch, row, name), expected[name], `${name}, ${where}`)
    for (const name of ROUNDED) {
      assertClose(feature(batch, row, name), expected[name], tolerance(name, expected), `${name}, ${where}`)
    }
    assert.equal(owner.states.locationName(batch.homes[row]), expected.home, `home, ${where}`)
  })
}

/** 1e-9, 1e-6 where 32 bits are kept; unless the amounts are so much alike that not even their doubles differ by that precisely. */
function tolerance(name: Feature, { condition, account_count }: Expected): number {
  const least = /_(7d|30d)$/.test(name) ? 1e-6 : 1e-9
  const worst = 8 * EPSILON * (condition[name] ?? 1) * Math.sqrt(account_count)
  return Number.isFinite(worst) ? Math.max(least, worst) : least
}

function assertClose(actual: number, expected: number, relative: number, what: string): void {
  if (Number.isNaN(expected)) {
    assert.equal(actual, expected, what)
    return
  }
  const error = Math.abs(actual - expected) / Math.max(1, Math.abs(expected))
  assert.ok(error <= relative, `${what}: ${actual}, expected ${expected} within ${relative}`)
}

test('features of random histories are those of the definition', () => {
  fc.assert(fc.property(histories(60), latenesses, assertAsExpected), { numRuns: 150 })
})

test('a busy account of many places, late and early events keeps the definition over many transactions', () => {
  const random = fc.sample(fc.nat(), { seed: 7, numRuns: 4 * 1500 })
  const transactions = Array.from({ length: 1500 }, (_, i) => {
    const [time, amount, place, jump] = random.slice(4 * i, 4 * i + 4)
    const back = jump % 40 === 0 ? -(time % (3 * DAY)) : -(time % (2 * HOUR))
    return transaction({
      timestamp: NOON + i * 60_000 + back,
      amount: amount % 1_000_0000,
      location: place % 3 === 0 ? `place-${place % 300}` : 'Lyon',
      merchant_id: `m-${place % 40}`,
      merchant_category: `c-${amount % 14}`,
    })
  })
  assertAsExpected(transactions, DAY)
})

test('an event exactly one window old is outside, one at the same time is inside', () => {
  const at = (ms: number) => transaction({ timestamp: NOON + ms, amount: 10_0000 })
  const batch = judge([at(0), at(1), at(HOUR), at(HOUR), at(DAY), at(DAY + 1)])
  const counts = [0, 1, 2, 3, 4, 5].map((row) => [
    feature(batch, row, 'count_1h'),
    feature(batch, row, 'count_24h'),
  ])
  assert.deepEqual(counts, [
    [0, 0],
    [1, 1],
    [1, 2], // of those at 0 and 1, the one at 0 is an hour old
    [2, 3],
    [0, 3],
    [1, 3], // the one at 1 is a day old now
  ])
  assert.equal(feature(batch, 3, 'sum_1h'), 20)
  assert.equal(feature(batch, 3, 'sum_24h'), 30)
})

test('an event exactly ALLOWED_LATENESS behind counts in windows, a millisecond more makes it late', () => {
  const at = (ms: number, amount: number) => transaction({ timestamp: NOON + ms, amount: amount * 10_000 })
  // 1: late. 2: exactly in time, and its own window reaches back a day further. 3: after it, sees 0 and 2, never 1.
  const batch = judge([at(-1, 1), at(DAY, 2), at(-1, 4), at(0, 8), at(1, 16)])
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((row) => feature(batch, row, 'late')),
    [0, 0, 1, 0, 0],
  )
  assert.ok(Number.isNaN(feature(batch, 2, 'count_24h')) && Number.isNaN(feature(batch, 2, 'sum_1h')))
  assert.equal(feature(batch, 3, 'sum_24h'), 1)
  assert.equal(feature(batch, 4, 'sum_24h'), 9)
  // Totals have the late one.
  assert.equal(feature(batch, 4, 'account_count'), 4)
  assert.equal(feature(batch, 4, 'account_mean'), 15 / 4)
})

test('what is dropped from memory is what no window of an event in time can reach', () => {
  const owner = ownership({ latenessMs: DAY })
  const at = (ms: number) => judge([transaction({ timestamp: NOON + ms })], { owner })
  at(0)
  at(1)
  at(2 * DAY)
  // A day behind, so its window begins, exclusively, where the first event is.
  assert.equal(feature(at(DAY), 0, 'count_24h'), 1)
})

test('sums of the largest amounts are exact up to 900 of them in a window', () => {
  const transactions = Array.from({ length: 901 }, (_, i) =>
    transaction({ timestamp: NOON + i, amount: 9_999_999_999_999 - i }),
  )
  assertAsExpected(transactions.slice(-200), DAY)
  const batch = judge(transactions)
  const exact = transactions.slice(0, 900).reduce((sum, t) => sum + BigInt(t.amount), 0n)
  assert.ok(exact < 2n ** 53n)
  assert.equal(feature(batch, 900, 'sum_24h'), Number(exact) / 10_000)
})

test('equal amounts have no deviation, whatever their number', () => {
  const batch = judge(Array.from({ length: 100 }, () => transaction({ amount: 1_1001 })))
  for (let row = 0; row < 100; row++) assert.ok(Number.isNaN(feature(batch, row, 'deviation')))
})

test('accounts know nothing of one another', () => {
  const batch = judge([transaction({ account_id: 'x' }), transaction({ account_id: 'y' })])
  assert.equal(feature(batch, 1, 'account_count'), 0)
  assert.equal(feature(batch, 1, 'count_24h'), 0)
})

test("an account's memory is that of the longest window and lateness, not of its history", () => {
  const states = new AccountStates(DAY)
  const out = new Float64Array(FEATURE_COUNT)
  const oneDay = (day: number) => {
    for (let i = 0; i < 200; i++) {
      const undo = states.begin()
      for (let k = 0; k < 120; k++) {
        states.observe(
          transaction({ account_id: `a-${k}`, timestamp: NOON + day * DAY + i * 400_000 }),
          undo,
          out,
          0,
        )
      }
      states.commit(undo)
    }
  }
  for (let day = 0; day < 4; day++) oneDay(day)
  const bytes = states.bytes
  for (let day = 4; day < 12; day++) oneDay(day)
  assert.equal(states.bytes, bytes)
  assert.equal(out[F.account_count], 12 * 200 - 1)
})

test('a look ahead changes nothing', () => {
  fc.assert(
    fc.property(histories(200), (transactions) => {
      const [states, other] = [new AccountStates(DAY), new AccountStates(DAY)]
      const [out, expected] = [states, other].map(() => new Float64Array(transactions.length * FEATURE_COUNT))
      for (let from = 0; from < transactions.length; from += AHEAD) {
        const [undo, otherUndo] = [states.begin(), other.begin()]
        states.lookAhead(transactions, from)
        for (let i = from; i < Math.min(from + AHEAD, transactions.length); i++) {
          states.observe(transactions[i], undo, out, i * FEATURE_COUNT)
          other.observe(transactions[i], otherUndo, expected, i * FEATURE_COUNT)
        }
        states.commit(undo)
        other.commit(otherUndo)
      }
      assert.deepEqual(out, expected)
    }),
    { numRuns: 30 },
  )
})
