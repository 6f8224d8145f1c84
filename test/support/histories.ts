import fc from 'fast-check'
import { CHANNELS, type Transaction } from '../../schemas/transaction.ts'
import { DAY, HOUR, NOON, transaction } from './transactions.ts'

/** Random histories of a few accounts, made to meet the windows' edges. */

const EDGES = [0, HOUR, DAY, DAY + HOUR, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY].flatMap((edge) => [
  edge - 1,
  edge,
  edge + 1,
])
const MOST = 9_999_999_999_999

const step = fc.record({
  account: fc.constantFrom('a-1', 'a-1', 'a-1', 'a-2', 'a-3'),
  /** Which earlier event the time is counted from. */
  from: fc.nat(),
  delta: fc.oneof(
    fc.constantFrom(...EDGES, ...EDGES.map((edge) => -edge)),
    fc.integer({ min: -3 * DAY, max: 3 * DAY }),
    fc.integer({ min: -HOUR, max: 2 * HOUR }),
    fc.integer({ min: 0, max: 20 * DAY }),
  ),
  amount: fc.oneof(
    fc.constantFrom(0, 1, 9999, 1_0000, 100_0000, MOST - 1, MOST),
    fc.integer({ min: 0, max: 500_0000 }),
    fc.integer({ min: 0, max: MOST }),
  ),
  merchant: fc.oneof(fc.constantFrom(null, '', 'm-1', 'm-2'), fc.nat(30).map(String)),
  category: fc.oneof(fc.constantFrom('', 'Groceries'), fc.nat(20).map(String)),
  channel: fc.constantFrom(...CHANNELS),
  currency: fc.constantFrom('EUR', 'EUR', 'EUR', 'EUR', 'USD', 'XXX'),
  location: fc.oneof(fc.constantFrom('', 'Lyon', 'Lyon', 'Lyon', 'Oslo'), fc.string({ maxLength: 3 })),
})

/** Transactions in the order of their offsets; event times go back and forth. */
export const histories = (maxLength: number): fc.Arbitrary<Transaction[]> =>
  fc.array(step, { minLength: 1, maxLength, size: 'max' }).map((steps) => {
    const times = [NOON]
    return steps.map(({ account, from, delta, merchant, category, ...rest }) => {
      const timestamp = times[from % times.length] + delta
      times.push(timestamp)
      return transaction({
        account_id: account,
        timestamp,
        merchant_id: merchant,
        merchant_category: category,
        ...rest,
      })
    })
  })

/** A short lateness, the usual one, and one beyond the longest window. */
export const latenesses = fc.constantFrom(HOUR, DAY, 30 * HOUR)
