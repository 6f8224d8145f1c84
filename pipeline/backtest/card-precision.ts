import { FRAUD, type Tested } from './tested.ts'

/**
 * Card precision at k a day (Fraud Detection Handbook, chapter 4): each day the k accounts with the highest scores are
 * looked at, an account counting by its highest; the share of the k that has a fraud that day; an account that was
 * found leaves for the days after it. Among equal scores, whose row came first that day: the labels have no say.
 * @returns the mean over the days that have rows, 0..1; null without frauds
 */
export function cardPrecision({ scores, labels, accounts, days }: Tested, k: number): number | null {
  const byDay = Map.groupBy(days.keys(), (row) => days[row])
  const found = new Set<number>()
  let sum = 0
  for (const [, rows] of [...byDay].sort(([a], [b]) => a - b)) {
    const cards = new Map<number, { score: number; isFraud: boolean }>()
    for (const row of rows) {
      if (found.has(accounts[row])) continue
      const card = cards.get(accounts[row])
      const isFraud = labels[row] === FRAUD
      if (card === undefined) cards.set(accounts[row], { score: scores[row], isFraud })
      else {
        card.score = Math.max(card.score, scores[row])
        card.isFraud ||= isFraud
      }
    }
    // Sorting is stable: equal scores stay in the order of their first rows.
    const looked = [...cards].sort(([, a], [, b]) => b.score - a.score).slice(0, k)
    const caught = looked.filter(([, { isFraud }]) => isFraud)
    for (const [account] of caught) found.add(account)
    sum += caught.length / k
  }
  return labels.includes(FRAUD) ? sum / byDay.size : null
}
