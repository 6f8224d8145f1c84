import { createRandom } from '../pipeline/produce/random.ts'
import { DAY } from '../schemas/time.ts'
import { AMOUNT_UNITS, CHANNELS, type Transaction } from '../schemas/transaction.ts'

/** As many as the simulator's accounts make, and as many of their merchants, categories and places. */
const A_DAY = 2.5
const DAYS = 30
const START = Date.UTC(2025, 10, 1)
const FAVOURITES = 9
const MERCHANTS = 5000
const CATEGORIES = 12
const CITIES = 200

const names = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what}-${i}`)

const mixed = (n: number): number => Math.imul(n, 0x9e3779b1) >>> 0

/** Some days an account does nothing; beyond those that chance leaves empty. With one account there is no such day. */
const isQuiet = (account: number, day: number): boolean =>
  account > 0 && mixed(account ^ mixed(day)) >>> 27 < 2

/** How many transactions the month has. */
export const transactionsOfMonth = (accounts: number): number => accounts * A_DAY * DAYS

/**
 * An endless stream of purchases of so many accounts, at random, as many in a month as the simulator's accounts make. It
 * needs no memory for its accounts: what is usual for one follows from its number.
 */
export function* purchases(accounts: number, seed = 1): Generator<Transaction, never> {
  const random = createRandom(seed)
  const merchants = names('merchant', MERCHANTS)
  const categories = names('category', CATEGORIES)
  const cities = names('city', CITIES)
  const step = DAY / (accounts * A_DAY)
  for (let n = 0; ; n++) {
    const timestamp = Math.floor(START + n * step)
    const day = Math.floor(timestamp / DAY)
    let account = random.integer(0, accounts - 1)
    while (isQuiet(account, day)) account = random.integer(0, accounts - 1)
    const character = mixed(account + 1)
    const isStrange = random.chance(0.02)
    const favourite = character + 7919 * Math.floor(FAVOURITES * random.unit() * random.unit())
    const merchant = isStrange ? random.integer(0, MERCHANTS - 1) : favourite % MERCHANTS
    const city = (character + (random.chance(0.006) ? random.integer(1, 3) : 0)) % CITIES
    const times = random.chance(0.004) ? random.between(5, 40) : random.between(0.3, 1.7)
    yield {
      transaction_id: `tx-${n}`,
      account_id: `a-${account}`,
      timestamp,
      amount: Math.floor((10 + (character % 90)) * times * AMOUNT_UNITS),
      currency: 'EUR',
      merchant_id: merchants[merchant],
      merchant_category: categories[merchant % CATEGORIES],
      location: cities[city],
      channel: CHANNELS[random.integer(0, CHANNELS.length - 1)],
      is_fraud: null,
    }
  }
}
