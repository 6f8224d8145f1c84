import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { Agenda } from './agenda.ts'
import { type CrowdOptions, makeAccount, passersBy, residents, type Visit } from './crowd.ts'
import { Fraud } from './fraud.ts'
import { buy, type Purchase } from './habits.ts'
import { createRandom } from './random.ts'
import { createWorld } from './world.ts'

export interface SimulateOptions {
  /** A safe integer from 0. The same options give the same transactions. */
  seed: number
  /** Event time of the beginning, milliseconds since 1970. */
  start?: number
  /** How many accounts live through the days. */
  accounts?: number
  /** Instead of days, live traffic: so many transactions a second of event time, by accounts that come and go. */
  rate?: number
  /** Share of transactions that are fraudulent, 0..1. */
  fraudShare?: number
}

/** In live traffic, a case of fraud takes a hundredth of its time, so that it is seen from the first seconds on. */
const LIVE_HASTE = 100

/** Seconds of live traffic that pass before the first transaction: it begins with fraud under way. */
const LIVE_WARM_UP = 40

/** A purchase that is to come: fraud was planned, the others are drawn when their time has come. */
interface Planned extends Visit {
  fraud?: Purchase
}

/**
 * Accounts with habits, and fraud among them: an endless stream of transactions in the order of their event times,
 * with their labels in is_fraud. It reads no clock and has no chance but the seed's.
 */
export function* simulate({
  seed,
  start = Date.UTC(2026, 0, 1),
  accounts = 2000,
  rate,
  fraudShare = 0.01,
}: SimulateOptions): Generator<Transaction, never> {
  const random = createRandom(seed)
  const world = createWorld(random)
  const options: CrowdOptions = { seed, start, world, random }
  const crowd = rate === undefined ? residents(accounts, options) : passersBy(rate, options)
  const fraud = new Fraud(fraudShare, world, random)
  const haste = rate === undefined ? 1 : LIVE_HASTE
  const run = `${seed}-${start.toString(36)}`

  const agenda = new Agenda<Planned>()
  for (const visit of crowd.begin()) agenda.add(visit)
  for (let n = rate === undefined ? 1 : -Math.floor(rate * LIVE_WARM_UP); ; n++) {
    const planned = agenda.next()!
    const { account, at } = planned
    const bought = planned.fraud ?? buy(account, at, world, random)
    // A rate is kept exactly: the agenda then only gives the order.
    const timestamp = rate === undefined ? Math.floor(at) : start + Math.floor((n * 1000) / rate)
    if (n > 0) yield toTransaction(`tx-${run}-${String(n).padStart(9, '0')}`, timestamp, bought, planned)
    if (planned.fraud !== undefined) continue
    const { next, weight } = crowd.after(planned)
    agenda.add(next)
    for (const { after, purchase } of fraud.follow(account, bought, weight)) {
      agenda.add({ at: at + after / haste, account, fraud: purchase })
    }
  }
}

function toTransaction(id: string, timestamp: number, bought: Purchase, planned: Planned): Transaction {
  return {
    transaction_id: id,
    account_id: planned.account.id,
    timestamp,
    amount: bought.amount,
    currency: 'EUR',
    merchant_id: bought.merchant.id,
    merchant_category: bought.merchant.category.name,
    location: bought.location,
    channel: bought.channel,
    is_fraud: planned.fraud !== undefined,
  }
}

/** Transactions of one account in a history, on average. */
const PER_ACCOUNT = 50

/**
 * Options for a history of `count` transactions that ends before `end`: some weeks of some accounts.
 * @param end milliseconds since 1970
 */
export function historyOf(seed: number, count: number, end: number): SimulateOptions {
  const accounts = Math.min(100_000, Math.max(10, Math.round(count / PER_ACCOUNT)))
  const world = createWorld(createRandom(seed))
  let perDay = 0
  for (let i = 1; i <= accounts; i++) perDay += makeAccount(seed, i, world).perDay
  // Purchases come at random: four standard deviations more days than on average, and one for the hours of the day.
  const days = (count / perDay) * (1 + 4 / Math.sqrt(count)) + 1
  return { seed, accounts, start: Math.floor((end - days * DAY) / DAY) * DAY }
}
