import type { Item, Reason } from '../sql/items.ts'

/** Values as people read them. */

const WORDS: Record<string, string> = {
  NEW: 'New',
  INVESTIGATED: 'Investigated',
  FRAUD: 'Fraud',
  DISMISSED: 'Dismissed',
}

export const statusWord = (status: string): string => WORDS[status] ?? status

/** "1234567.5000" as "1,234,567.50": at least two decimals, never rounded. */
export function money(amount: string): string {
  const [whole, fraction = ''] = amount.split('.')
  const decimals = fraction.replace(/0+$/, '').padEnd(2, '0')
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${decimals}`
}

/** Two decimals, cut and not rounded: 0.999 is not 1. */
export const scoreText = (score: number): string => (Math.floor(score * 100 + 1e-6) / 100).toFixed(2)

/** How loud a score is shown. */
export const severity = (score: number): 'high' | 'raised' | 'low' =>
  score >= 0.9 ? 'high' : score >= 0.8 ? 'raised' : 'low'

const DAY = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
})

/** "24 Nov 2026" and "09:30:00", in UTC. */
export function dayAndTime(iso: string): { day: string; time: string } {
  return { day: DAY.format(new Date(iso)), time: iso.slice(11, 19) }
}

const CHANNELS: Record<string, string> = {
  CARD_PRESENT: 'Card present',
  ECOMMERCE: 'E-commerce',
  ATM: 'ATM',
  TRANSFER: 'Transfer',
  OTHER: 'Other channel',
}

export const channelWord = (channel: string): string => CHANNELS[channel] ?? channel

/** "HIGH_AMOUNT" as "high amount". */
export const words = (name: string): string => name.replaceAll('_', ' ').toLowerCase()

/** The reasons, the main one first. */
export function reasonsOf(item: Item): Reason[] {
  const reasons = Array.isArray(item.reasons) ? item.reasons : []
  const rest = reasons.filter((r) => r.code !== item.alert_reason)
  return [...reasons.filter((r) => r.code === item.alert_reason), ...rest]
}

/** The main reason as a sentence, else its code. */
export function mainReason(item: Item): string {
  const [main] = reasonsOf(item)
  return main?.message || words(item.alert_reason ?? main?.code ?? 'no reason recorded')
}

/** Features in the order in which an analyst reads them. */
const FEATURES: Record<string, string> = {
  amount: 'amount',
  account_mean: 'mean amount before',
  deviation: 'standard deviations from it',
  account_count: 'transactions before',
  count_1h: 'transactions, hour before',
  sum_1h: 'amount, hour before',
  count_24h: 'transactions, day before',
  sum_24h: 'amount, day before',
  away_from_home: 'away from home',
  late: 'arrived late',
}
const FLAGS: ReadonlySet<string> = new Set(['away_from_home', 'late'])

/** Features with names for people and values with at most four decimals; unknown ones last, as they are called. */
export function featuresOf(item: Item): { label: string; text: string }[] {
  const features = item.features ?? {}
  const names = [
    ...Object.keys(FEATURES).filter((name) => name in features),
    ...Object.keys(features).filter((name) => !(name in FEATURES)),
  ]
  return names.map((name) => {
    const value = features[name]
    const flag = FLAGS.has(name) && typeof value === 'number'
    return { label: FEATURES[name] ?? words(name), text: featureText(flag ? value === 1 : value) }
  })
}

function featureText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number')
    return Number.isInteger(value) ? String(value) : String(Number(value.toFixed(4)))
  return typeof value === 'string' ? value : JSON.stringify(value)
}
