import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Agenda } from '../../pipeline/produce/agenda.ts'
import { createAccount, meanAmount } from '../../pipeline/produce/habits.ts'
import { createRandom } from '../../pipeline/produce/random.ts'
import { CUSTOMERS_DEFRAUDED, type Delayed, scenarios } from '../../pipeline/produce/scenarios.ts'
import { historyOf, type SimulateOptions, simulate } from '../../pipeline/produce/simulator.ts'
import { createWorld } from '../../pipeline/produce/world.ts'
import { AMOUNT_UNITS, type Transaction } from '../../schemas/transaction.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

function simulated(count: number, options: SimulateOptions): Transaction[] {
  const all: Transaction[] = []
  for (const transaction of simulate(options)) {
    all.push(transaction)
    if (all.length === count) break
  }
  return all
}

interface History {
  count: number
  sum: number
  squares: number
  places: Map<string, number>
  times: number[]
}

/** Whether the pipeline's four rules, told plainly, flag the transaction; then it becomes history. */
function flaggedByRules(transaction: Transaction, histories: Map<string, History>): boolean {
  const empty: History = { count: 0, sum: 0, squares: 0, places: new Map(), times: [] }
  const past = histories.get(transaction.account_id) ?? empty
  histories.set(transaction.account_id, past)
  const amount = transaction.amount / AMOUNT_UNITS
  const home = homeOf(past)
  const mean = past.sum / past.count
  const deviation = (amount - mean) / Math.sqrt((past.squares - past.count * mean ** 2) / (past.count - 1))
  past.times = [...past.times.filter((time) => time > transaction.timestamp - HOUR), transaction.timestamp]
  const flagged =
    amount >= 5000 ||
    (transaction.merchant_category === 'Gambling' &&
      past.count >= 5 &&
      (home ?? transaction.location) !== transaction.location) ||
    (past.count > 5 && deviation >= 5) ||
    past.times.length > 10
  past.count++
  past.sum += amount
  past.squares += amount ** 2
  past.places.set(transaction.location, (past.places.get(transaction.location) ?? 0) + 1)
  return flagged
}

function homeOf({ places, count }: History): string | undefined {
  for (const [place, times] of places) if (times > count / 2) return place
  return undefined
}

/** How well the rules find the fraud, and how well the best single amount threshold of that precision does. */
function evaluate(transactions: Transaction[]) {
  const histories = new Map<string, History>()
  const flagged = transactions.filter((t) => flaggedByRules(t, histories))
  const frauds = transactions.filter((t) => t.is_fraud).length
  const hits = flagged.filter((t) => t.is_fraud).length
  const precision = hits / flagged.length
  let above = 0
  let recallOfAmount = 0
  for (const [i, t] of transactions.toSorted((a, b) => b.amount - a.amount).entries()) {
    if (t.is_fraud) above++
    if (above / (i + 1) >= precision) recallOfAmount = Math.max(recallOfAmount, above / frauds)
  }
  const share = frauds / transactions.length
  return {
    share,
    flaggedShare: flagged.length / transactions.length,
    precision,
    recall: hits / frauds,
    recallOfAmount,
  }
}

describe('simulated history', () => {
  const transactions = simulated(100_000, { seed: 1 })

  test('is the same for the same seed, and another for another', () => {
    const some = (seed: number) => simulated(5000, { seed, accounts: 100 })
    assert.deepStrictEqual(some(7), some(7))
    const other = new Set(some(8).map((t) => t.transaction_id))
    assert.ok(some(7).every((t) => !other.has(t.transaction_id)))
    assert.notDeepStrictEqual(
      some(7).map((t) => t.amount),
      some(8).map((t) => t.amount),
    )
  })

  test('is the same with another start, but for ids and times', () => {
    const at = (start: number) =>
      simulated(1000, { seed: 7, start }).map(({ transaction_id, timestamp, ...rest }) => ({
        ...rest,
        since: timestamp - start,
      }))
    assert.deepStrictEqual(at(0), at(DAY))
    const ids = new Set(simulated(1000, { seed: 7, start: 0 }).map((t) => t.transaction_id))
    assert.ok(simulated(1000, { seed: 7, start: DAY }).every((t) => !ids.has(t.transaction_id)))
  })

  test('reads no clock and no chance but the seed', (t) => {
    const before = simulated(1000, { seed: 3 })
    t.mock.method(Date, 'now', () => assert.fail('the clock was read'))
    t.mock.method(Math, 'random', () => assert.fail('Math.random was used'))
    assert.deepStrictEqual(simulated(1000, { seed: 3 }), before)
  })

  test('has unique ids, event times in order and values that the pipeline takes', () => {
    assert.equal(new Set(transactions.map((t) => t.transaction_id)).size, transactions.length)
    let before = 0
    for (const t of transactions) {
      assert.ok(t.timestamp >= before && Number.isInteger(t.timestamp))
      before = t.timestamp
      assert.ok(
        Number.isInteger(t.amount) && t.amount >= 0 && t.amount < 1e13 && t.amount % 100 === 0,
        `${t.amount}`,
      )
      assert.ok(Buffer.byteLength(t.transaction_id) <= 64 && Buffer.byteLength(t.account_id) <= 64)
    }
  })

  test('has some fifty transactions of each of its accounts, over two to four weeks', () => {
    const accounts = new Set(transactions.map((t) => t.account_id)).size
    assert.ok(accounts > 1950 && accounts <= 2000, `${accounts} accounts`)
    const days = (transactions.at(-1)!.timestamp - transactions[0].timestamp) / DAY
    assert.ok(days > 14 && days < 28, `${days} days`)
  })

  test('gives accounts habits: a home, few merchants, hours to sleep', () => {
    const honest = transactions.filter((t) => !t.is_fraud)
    const own = Map.groupBy(honest, (t) => t.account_id)
    const shareOf = (hasHabit: (mine: Transaction[]) => boolean) => {
      const known = [...own.values()].filter((mine) => mine.length >= 20)
      return known.filter(hasHabit).length / known.length
    }
    const most = (values: string[]) =>
      Math.max(...[...Map.groupBy(values, (v) => v).values()].map((g) => g.length))
    assert.ok(shareOf((mine) => most(mine.map((t) => t.location)) > mine.length / 2) > 0.95, 'home')
    assert.ok(
      shareOf((mine) => new Set(mine.map((t) => t.merchant_id)).size < mine.length * 0.7) > 0.9,
      'merchants',
    )
    assert.ok(
      shareOf((mine) => new Set(mine.map((t) => new Date(t.timestamp).getUTCHours())).size <= 16) > 0.99,
      'hours',
    )
  })

  test('holds fraud of about one in a hundred', () => {
    for (const seed of [1, 2, 3]) {
      const all = simulated(100_000, { seed })
      const share = all.filter((t) => t.is_fraud).length / all.length
      assert.ok(share >= 0.005 && share <= 0.02, `${share}`)
    }
  })

  test('is seen by plain rules at a precision and a recall that no amount threshold comes near', () => {
    for (const seed of [1, 2]) {
      const { flaggedShare, precision, recall, recallOfAmount } = evaluate(simulated(100_000, { seed }))
      const figures = JSON.stringify({ flaggedShare, precision, recall, recallOfAmount })
      assert.ok(flaggedShare > 0.002 && flaggedShare < 0.03, figures)
      assert.ok(precision >= 0.6 && recall >= 0.5, figures)
      assert.ok(recallOfAmount < recall / 2, figures)
      assert.ok(precision < 0.95 && recall < 0.95, `too easy: ${figures}`)
    }
  })

  test('holds fraud that looks like an ordinary purchase, and honest purchases that look like fraud', () => {
    const histories = new Map<string, History>()
    const flags = transactions.map((t) => [flaggedByRules(t, histories), t.is_fraud] as const)
    assert.ok(flags.filter(([flagged, fraud]) => !flagged && fraud).length > 100)
    assert.ok(flags.filter(([flagged, fraud]) => flagged && !fraud).length > 50)
    assert.ok(transactions.filter((t) => t.amount >= 5000 * AMOUNT_UNITS && !t.is_fraud).length > 5)
  })

  test('honours the share of fraud that is asked for', () => {
    const frauds = (fraudShare: number) =>
      simulated(50_000, { seed: 5, fraudShare }).filter((t) => t.is_fraud).length
    assert.equal(frauds(0), 0)
    const some = frauds(0.05)
    assert.ok(some > 1500 && some < 3500, `${some}`)
  })

  for (const count of [1, 100, 10_000]) {
    test(`of ${count} transactions ends before the time that is asked for, and not long before`, () => {
      const end = Date.UTC(2026, 10, 24, 4)
      for (let seed = 0; seed < 20; seed++) {
        const last = simulated(count, historyOf(seed, count, end)).at(-1)!
        assert.ok(
          last.timestamp < end && last.timestamp > end - 8 * DAY,
          new Date(last.timestamp).toISOString(),
        )
      }
    })
  }
})

describe('the scenarios', () => {
  test('share all fraud among them', () => {
    const sum = Object.values(scenarios).reduce((total, s) => total + s.share, 0)
    assert.ok(Math.abs(sum - 1) < 1e-9)
  })

  const world = createWorld(createRandom(1))
  const victim = createAccount('a', world, createRandom(2))
  const plans = (name: keyof typeof scenarios) => {
    const random = createRandom(3)
    return Array.from({ length: 500 }, () => scenarios[name].plan(victim, world, random))
  }
  /** Purchases as multiples of what the victim usually spends. */
  const times = (plan: Delayed[]) => plan.map((p) => p.purchase.amount / AMOUNT_UNITS / meanAmount(victim))
  const isAway = ({ purchase }: Delayed) => purchase.location !== victim.home

  test('have cases of the size that they tell', () => {
    for (const name of Object.keys(scenarios) as (keyof typeof scenarios)[]) {
      const mean = plans(name).reduce((sum, plan) => sum + plan.length, 0) / 500
      const told = scenarios[name].size / (name === 'compromised_merchant' ? CUSTOMERS_DEFRAUDED : 1)
      assert.ok(Math.abs(mean / told - 1) < 0.1, `${name}: ${mean} instead of ${told}`)
    }
  })

  test('card_testing is a burst of more than ten tiny amounts, some of them zero, online', () => {
    const all = plans('card_testing')
    for (const plan of all) {
      const tiny = plan.filter((p) => p.purchase.amount <= 2 * AMOUNT_UNITS)
      assert.ok(tiny.length >= 20 && tiny.at(-1)!.after - tiny[0].after < HOUR)
      assert.ok(tiny.every((p) => p.purchase.channel === 'ECOMMERCE'))
    }
    assert.ok(all.flat().some((p) => p.purchase.amount === 0))
    const cashedOut = all.filter((plan) => times(plan).at(-1)! >= 4.9).length
    assert.ok(cashedOut > 300 && cashedOut < 400, `${cashedOut} of 500 cashed out`)
  })

  test('takeover is a few purchases at many times the usual, far from home', () => {
    for (const plan of plans('takeover')) {
      assert.ok(plan.length >= 2 && plan.every(isAway) && times(plan).every((t) => t >= 4.9 && t <= 20.1))
    }
  })

  test('compromised_merchant is moderate, later and at home', () => {
    for (const plan of plans('compromised_merchant')) {
      assert.ok(
        plan.every((p) => !isAway(p) && p.after >= HOUR) && times(plan).every((t) => t > 1.4 && t < 7.1),
      )
    }
  })

  test('impossible_travel has the card present far away within the hour, more often than not for gambling', () => {
    const all = plans('impossible_travel')
    assert.ok(all.every((plan) => plan[0].after < HOUR && plan.every(isAway)))
    assert.ok(all.flat().every((p) => p.purchase.channel === 'CARD_PRESENT' || p.purchase.channel === 'ATM'))
    const gambling = all.flat().filter((p) => p.purchase.merchant.category.name === 'Gambling').length
    assert.ok(gambling > all.flat().length / 2)
  })

  test('high_value is one amount of 5,000 or more', () => {
    for (const plan of plans('high_value')) {
      assert.ok(plan.length === 1 && plan[0].purchase.amount >= 5000 * AMOUNT_UNITS)
    }
  })
})

describe('simulated live traffic', () => {
  test('keeps its rate exactly, from its start on', () => {
    const start = Date.UTC(2026, 10, 24)
    const some = simulated(1500, { seed: 1, start, rate: 500 })
    assert.deepStrictEqual(
      [some[0].timestamp, some[499].timestamp, some[1499].timestamp],
      [start + 2, start + 1000, start + 3000],
    )
  })

  test('is the same for the same seed and start', () => {
    const some = () => simulated(2000, { seed: 9, rate: 100 })
    assert.deepStrictEqual(some(), some())
  })

  test('shows its first anomaly within seconds', () => {
    for (let seed = 0; seed < 10; seed++) {
      const histories = new Map<string, History>()
      const first = simulated(2500, { seed, rate: 500 }).findIndex((t) => flaggedByRules(t, histories))
      assert.ok(first >= 0, `seed ${seed}: none within 5 s`)
    }
  })

  test('is flagged at a steady, low share, with precision', () => {
    const all = simulated(300_000, { seed: 1, rate: 500 })
    const { share, flaggedShare, precision, recall } = evaluate(all)
    const figures = JSON.stringify({ share, flaggedShare, precision, recall })
    assert.ok(share > 0.005 && share < 0.02, figures)
    assert.ok(flaggedShare > 0.002 && flaggedShare < 0.03 && precision > 0.5 && recall > 0.5, figures)
  })

  test('makes no honest account look like a burst, even when accounts come again', () => {
    const times = new Map<string, number[]>()
    // Two hours at a low rate: all accounts have come by, and the first have come again.
    for (const t of simulated(2 * 3600 * 10, { seed: 2, rate: 10, fraudShare: 0 })) {
      const mine = [
        ...(times.get(t.account_id) ?? []).filter((time) => time > t.timestamp - HOUR),
        t.timestamp,
      ]
      times.set(t.account_id, mine)
      assert.ok(mine.length <= 10, `${t.account_id} has ${mine.length} in an hour`)
    }
  })
})

test('an agenda gives back what was added by time, and by turn where times are equal', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 100 }), (times) => {
      const agenda = new Agenda<{ at: number; turn: number }>()
      const items = times.map((at, turn) => ({ at, turn }))
      for (const item of items) agenda.add(item)
      const given = items.map(() => agenda.next())
      assert.deepStrictEqual(
        given,
        items.toSorted((a, b) => a.at - b.at),
      )
      assert.equal(agenda.next(), undefined)
    }),
  )
})
