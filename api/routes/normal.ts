import type { Item } from '../sql/items.ts'

/** The features that tell what was normal for the account, under the names that an analyst reads. */
const NUMBERS = {
  usual_amount: 'usual_amount',
  mean: 'account_mean',
  deviation: 'deviation',
  transactions: 'account_count',
  amount_ratio: 'amount_ratio',
  mean_30d: 'mean_30d',
  std_30d: 'std_30d',
} as const

export type Normal = Record<keyof typeof NUMBERS, number | null> & { home: string | null }

/** What was normal for the account before an anomaly; null is unknown. */
export function normalOf({ features }: Pick<Item, 'features'>): Normal {
  const numbers = Object.entries(NUMBERS).map(([name, feature]) => {
    const value = features?.[feature]
    return [name, typeof value === 'number' ? value : null]
  })
  const home = typeof features?.home === 'string' ? features.home : null
  return { ...Object.fromEntries(numbers), home }
}
