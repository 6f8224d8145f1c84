import { FEATURES, type Feature } from '../../pipeline/features/features.ts'
import type { Rates } from '../../pipeline/features/rates.ts'
import { EUROS } from '../../pipeline/features/rates.ts'
import { AMOUNT_UNITS, type Transaction } from '../../schemas/transaction.ts'
import { MERCHANT_FEATURES } from './merchant-oracle.ts'
import { DAY, HOUR } from './transactions.ts'

/** The features as they are defined, the slow way: every transaction looks at all earlier ones. Money is a BigInt. */

export type Expected = Record<Feature, number> & {
  home: string
  /** Mean over standard deviation: so many times is a rounding of the amounts larger in the named features. */
  condition: Partial<Record<Feature, number>>
}

/** An earlier transaction as a later one sees it. */
interface Earlier {
  tx: Transaction
  units: bigint
  isPriced: boolean
  late: boolean
  ratio: number
  day: number
}

const dayOf = (time: number): number => Math.floor(time / DAY)

/** @returns what each transaction should get, in the order given, which is that of the offsets */
export function expectedFeatures(
  transactions: Transaction[],
  latenessMs: number,
  rates: Rates = EUROS,
): Expected[] {
  const accounts = new Map<string, Earlier[]>()
  return transactions.map((tx) => {
    const earlier = accounts.get(tx.account_id) ?? []
    accounts.set(tx.account_id, earlier)
    const rate = rates.rateOf(tx.currency)
    const units = Number.isNaN(rate) ? 0 : Math.round(tx.amount * rate)
    const amount = Number.isNaN(rate) ? Number.NaN : units / AMOUNT_UNITS
    const newest = Math.max(...earlier.map((e) => e.tx.timestamp))
    const late = earlier.length > 0 && tx.timestamp < newest - latenessMs
    const expected = expect(tx, amount, earlier, late)
    earlier.push({
      tx,
      units: BigInt(units),
      isPriced: !Number.isNaN(rate),
      late,
      ratio: expected.amount_ratio,
      day: dayOf(tx.timestamp),
    })
    return expected
  })
}

function expect(tx: Transaction, amount: number, earlier: Earlier[], late: boolean): Expected {
  const day = dayOf(tx.timestamp)
  const condition: Expected['condition'] = {}
  const inTime = late ? [] : earlier.filter((e) => !e.late)
  const after = (ms: number) =>
    inTime
      .filter((e) => e.tx.timestamp > tx.timestamp - ms && e.tx.timestamp <= tx.timestamp)
      .sort((a, b) => a.tx.timestamp - b.tx.timestamp)
  const days = (n: number) => inTime.filter((e) => e.day > day - n && e.day <= day)
  // In whole blocks of four days.
  const month = inTime.filter((e) => (e.day | 3) > day - 30 && e.day <= day)
  const priced = earlier.filter((e) => e.isPriced)
  const known = (value: number): number => (late ? Number.NaN : value)
  const moments = (name: '1h' | '24h' | '7d' | '30d', some: Earlier[], deviating = some) => {
    const { mean, std } = meanAndStd(deviating)
    condition[`std_${name}`] = mean / std
    return {
      [`count_${name}`]: known(some.length),
      [`sum_${name}`]: known(Number(total(some)) / AMOUNT_UNITS),
      [`mean_${name}`]: some.length > 0 ? meanAndStd(some).mean : Number.NaN,
      [`std_${name}`]: std,
    }
  }
  const all = meanAndStd(priced)
  const monthly = meanAndStd(month)
  condition.deviation = 1 + all.mean / all.std
  condition.z_30d = 1 + monthly.mean / monthly.std
  const usual = usualAmount(priced)
  const bigs = earlier.filter(isBig)
  const home = homeOf(earlier)
  return {
    amount,
    account_count: earlier.length,
    account_mean: all.mean,
    deviation: all.std > 0 ? (amount - all.mean) / all.std : Number.NaN,
    usual_amount: usual,
    amount_ratio: amount / usual,
    ...moments('1h', after(HOUR), after(HOUR).slice(-32)),
    ...moments('24h', after(DAY), after(DAY).slice(-32)),
    ...moments('7d', days(7)),
    ...moments('30d', month),
    z_30d: monthly.std > 0 ? (amount - monthly.mean) / monthly.std : Number.NaN,
    count_14d: known(days(14).length),
    big_3d: known(mostADay(days(3).filter(isBig))),
    big_14d: known(mostADay(days(14).filter(isBig))),
    max_ratio_14d: known(Math.fround(Math.max(0, ...days(14).map((e) => (e.isPriced ? e.ratio : 0))))),
    hours_since_big:
      bigs.length === 0
        ? Number.NaN
        : Math.max(0, tx.timestamp - Math.max(...bigs.map((e) => e.tx.timestamp))) / HOUR,
    seconds_since_last:
      earlier.length === 0
        ? Number.NaN
        : Math.max(0, tx.timestamp - Math.max(...earlier.map((e) => e.tx.timestamp))) / 1000,
    ...acquaintances(tx, earlier, known),
    channels_7d: known(new Set(days(7).map((e) => e.tx.channel)).size),
    ...habits(tx, earlier),
    away_from_home: home === '' || tx.location === '' ? Number.NaN : tx.location === home ? 0 : 1,
    late: late ? 1 : 0,
    ...Object.fromEntries(MERCHANT_FEATURES.map((name) => [name, Number.NaN])), // no labels: merchant-oracle.ts
    home,
    condition,
  } as Expected
}

/** In the 32 bits that the table keeps of the ratio. */
const isBig = ({ ratio }: Earlier): boolean => Math.fround(ratio) > Math.fround(2.2)

const total = (some: Earlier[]): bigint => some.reduce((sum, e) => sum + e.units, 0n)

/** A day counts 1023 big ones at most. */
const mostADay = (bigs: Earlier[]): number => {
  const byDay = new Map<number, number>()
  for (const { day } of bigs) byDay.set(day, Math.min(1023, (byDay.get(day) ?? 0) + 1))
  return [...byDay.values()].reduce((sum, n) => sum + n, 0)
}

/** From exact integers, in currency: sqrt((Q - S²/n) / (n - 1)). NaN for too few; 0 for equal amounts. */
function meanAndStd(some: Earlier[]): { mean: number; std: number } {
  const n = BigInt(some.length)
  const s = total(some)
  const mean = some.length === 0 ? Number.NaN : Number(s) / some.length / AMOUNT_UNITS
  if (some.length < 2) return { mean, std: Number.NaN }
  const q = some.reduce((sum, e) => sum + e.units ** 2n, 0n)
  const spread = n * q - s * s
  return { mean, std: Math.sqrt(Number(spread) / Number(n) / Number(n - 1n)) / AMOUNT_UNITS }
}

function usualAmount(priced: Earlier[]): number {
  let sum = 0
  priced.forEach(({ units }, i) => {
    sum += Math.min(Number(units) / AMOUNT_UNITS, 3 * ((sum + 3 * 50) / (i + 3)))
  })
  return (sum + 3 * 50) / (priced.length + 3)
}

/** What the account remembers: merchants and categories by recency of days, places by number of visits. */
function acquaintances(tx: Transaction, earlier: Earlier[], known: (value: number) => number) {
  const since = dayOf(tx.timestamp) - 7
  const merchants = remembered(
    earlier.map((e) => [e.tx.merchant_id ?? '', e.day]),
    16,
    'day',
  )
  const categories = remembered(
    earlier.map((e) => [e.tx.merchant_category, e.day]),
    12,
    'day',
  )
  const places = remembered(
    earlier.map((e) => [e.tx.location, e.day]),
    64,
    'visits',
  )
  const newness = (name: string | null, among: Entry[]) =>
    name === null || name === '' ? Number.NaN : among.some((e) => e.name === name) ? 0 : 1
  return {
    merchants_7d: known(merchants.filter((e) => e.day > since).length),
    places_7d: known(places.filter((e) => e.day > since).length),
    new_merchant: newness(tx.merchant_id, merchants),
    new_category: newness(tx.merchant_category, categories),
    new_place: newness(tx.location, places),
  }
}

interface Entry {
  name: string
  day: number
  visits: number
}

/** The names that are left when each new one beyond `most` takes the place of the least one. */
function remembered(names: [string, number][], most: number, least: 'day' | 'visits'): Entry[] {
  const entries: Entry[] = []
  for (const [name, day] of names) {
    if (name === '') continue
    const entry = entries.find((e) => e.name === name)
    if (entry !== undefined) {
      entry.day = Math.max(entry.day, day)
      entry.visits++
    } else if (entries.length < most) entries.push({ name, day, visits: 1 })
    else {
      const worst = Math.min(...entries.map((e) => e[least]))
      entries[entries.findIndex((e) => e[least] === worst)] = { name, day, visits: 1 }
    }
  }
  return entries
}

function habits(tx: Transaction, earlier: Earlier[]) {
  const hour = (t: Transaction) => new Date(t.timestamp).getUTCHours()
  const weekday = (t: Transaction) => new Date(t.timestamp).getUTCDay()
  const share = (is: (t: Transaction) => boolean) =>
    earlier.length < 10 ? Number.NaN : earlier.filter((e) => is(e.tx)).length / earlier.length
  const near = [23, 0, 1].map((step) => (hour(tx) + step) % 24)
  return {
    hour_share: share((t) => near.includes(hour(t))),
    weekday_share: share((t) => weekday(t) === weekday(tx)),
  }
}

function homeOf(earlier: Earlier[]): string {
  if (earlier.length < 5) return ''
  const places = [...new Set(earlier.map((e) => e.tx.location))].filter((place) => place !== '')
  return places.find((p) => earlier.filter((e) => e.tx.location === p).length > earlier.length / 2) ?? ''
}

/** Features that are made of distances from a mean: rounding shows in them. */
const ROUNDED: Feature[] = [
  'account_mean',
  'deviation',
  'z_30d',
  ...(['1h', '24h', '7d', '30d'] as const).map((w) => `std_${w}` as const),
]

/** Features that are counted or added up from integers, or by the same steps: they must be equal to the last bit. */
export const EXACT = FEATURES.filter((name) => !ROUNDED.includes(name))
export { ROUNDED }
