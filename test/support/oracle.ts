import { FEATURES, type Feature } from '../../pipeline/features/features.ts'
import { AMOUNT_UNITS, type Transaction } from '../../schemas/transaction.ts'
import { DAY, HOUR } from './transactions.ts'

/** The features as they are defined, the slow way: every transaction looks at all earlier ones. Money is a BigInt. */

export type Expected = Record<Feature, number> & {
  home: string
  /** Mean over standard deviation: so many times is a rounding of the amounts larger in `deviation`. */
  condition: number
}

/** @returns what each transaction should get, in the order given, which is that of the offsets */
export function expectedFeatures(transactions: Transaction[], latenessMs: number): Expected[] {
  const isLate = transactions.map((tx, i) => {
    const times = transactions
      .slice(0, i)
      .filter(sameAccount(tx))
      .map((t) => t.timestamp)
    return times.length > 0 && tx.timestamp < Math.max(...times) - latenessMs
  })
  return transactions.map((tx, i) => {
    const earlier = transactions.slice(0, i).filter(sameAccount(tx))
    const inTime = transactions.slice(0, i).filter((t, j) => sameAccount(tx)(t) && !isLate[j])
    const window = (ms: number) =>
      inTime.filter((t) => t.timestamp > tx.timestamp - ms && t.timestamp <= tx.timestamp)
    const count = (ms: number) => (isLate[i] ? Number.NaN : window(ms).length)
    const sum = (ms: number) => (isLate[i] ? Number.NaN : Number(total(window(ms))) / AMOUNT_UNITS)
    const home = homeOf(earlier)
    return {
      amount: tx.amount / AMOUNT_UNITS,
      account_count: earlier.length,
      account_mean:
        earlier.length === 0 ? Number.NaN : Number(total(earlier)) / earlier.length / AMOUNT_UNITS,
      ...deviation(tx, earlier),
      count_1h: count(HOUR),
      sum_1h: sum(HOUR),
      count_24h: count(DAY),
      sum_24h: sum(DAY),
      away_from_home: home === '' || tx.location === '' ? Number.NaN : tx.location === home ? 0 : 1,
      late: isLate[i] ? 1 : 0,
      home,
    }
  })
}

const sameAccount = (tx: Transaction) => (other: Transaction) => other.account_id === tx.account_id

const total = (transactions: Transaction[]): bigint =>
  transactions.reduce((sum, t) => sum + BigInt(t.amount), 0n)

/** From exact integers: (x - S/n) / sqrt((Q - S²/n) / (n - 1)) = (n x - S) * sqrt((n - 1) / (n (n Q - S²))) */
function deviation(tx: Transaction, earlier: Transaction[]): { deviation: number; condition: number } {
  const n = BigInt(earlier.length)
  const s = total(earlier)
  const q = earlier.reduce((sum, t) => sum + BigInt(t.amount) ** 2n, 0n)
  const spread = n * q - s * s
  if (n < 2n || spread === 0n) return { deviation: Number.NaN, condition: 1 }
  const scale = Math.sqrt(Number(n - 1n) / (Number(n) * Number(spread)))
  return { deviation: Number(n * BigInt(tx.amount) - s) * scale, condition: 1 + Number(s) * scale }
}

function homeOf(earlier: Transaction[]): string {
  if (earlier.length < 5) return ''
  const places = [...new Set(earlier.map((t) => t.location))].filter((place) => place !== '')
  return places.find((p) => earlier.filter((t) => t.location === p).length > earlier.length / 2) ?? ''
}

/** Features that are counted or added up from integers: they must be equal to the last bit. */
export const EXACT = FEATURES.filter((name) => name !== 'account_mean' && name !== 'deviation')
