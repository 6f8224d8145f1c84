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
