import type { Query } from './database.ts'
import { type Given, parameters } from './given.ts'

export interface AnomalyFilter {
  /** Least score, 0..1. */
  min_score?: number
  /** Any of these; undefined for all. */
  status?: readonly string[]
  account?: string
  merchant?: string
  category?: string
  /** The code of any of its reasons. */
  reason?: string
  /** Event times, ISO 8601: `from` is included, `to` is not. */
  from?: string
  to?: string
  /** Decimals, both included. */
  min_amount?: string
  max_amount?: string
  order?: Order
}

export type Order = 'score' | 'loss'

/** As in the index. */
export const TERMS =
  'anomaly_terms(t.account_id, t.merchant_id, t.merchant_category, t.alert_reason, t.reasons)'

/** What a row `t` of `transactions` must be, without its status. */
export function conditionsOf(filter: AnomalyFilter, given: Given): string[] {
  const conditions = [...timesOf(filter, given), ...amountsOf(filter, given)]
  // score is a real: 0.9 must be compared as the real nearest to it, and 1e-50 is out of a real's range.
  if (filter.min_score) conditions.push(`(- t.score) <= ${given(-Math.fround(filter.min_score))}::real`)
  if (filter.account !== undefined) conditions.push(`t.account_id = ${given(filter.account)}`)
  if (filter.merchant !== undefined) conditions.push(`t.merchant_id = ${given(filter.merchant)}`)
  if (filter.category !== undefined) conditions.push(`t.merchant_category = ${given(filter.category)}`)
  if (filter.reason !== undefined) {
    const code = JSON.stringify([{ code: filter.reason }])
    conditions.push(`(t.alert_reason = ${given(filter.reason)} OR t.reasons @> ${given(code)}::jsonb)`)
  }
  return conditions
}

function timesOf({ from, to }: AnomalyFilter, given: Given): string[] {
  const conditions: string[] = []
  if (from) conditions.push(`t.timestamp >= ${given(from)}`)
  if (to) conditions.push(`t.timestamp < ${given(to)}`)
  return conditions
}

function amountsOf({ min_amount, max_amount }: AnomalyFilter, given: Given): string[] {
  const conditions: string[] = []
  if (min_amount) conditions.push(`t.amount >= ${given(min_amount)}::numeric`)
  if (max_amount) conditions.push(`t.amount <= ${given(max_amount)}::numeric`)
  return conditions
}

/** Finds anomalies by an index of its own: what comes behind WHERE, before LIMIT. */
type Search = (given: Given) => string

/**
 * PostgreSQL has no statistics of what a partial index holds. So the ways that it may go are narrowed by hand: a range is
 * asked for in its index's order, and the terms' index takes every term for rare.
 */
function searchesOf(filter: AnomalyFilter): Search[] {
  const searches: Search[] = []
  const terms = termsOf(filter)
  const add = (conditions: (given: Given) => string[], order = '') =>
    searches.push((given) => ['t.is_anomaly', ...conditions(given)].join(' AND ') + order)
  if (terms.length > 0) add((given) => [`${TERMS} @> ${given(terms)}::text[]`])
  if (filter.min_amount || filter.max_amount) add((given) => amountsOf(filter, given), ' ORDER BY t.amount')
  if (filter.from || filter.to) add((given) => timesOf(filter, given), ' ORDER BY t.timestamp')
  return searches
}

/** As in the index, which cuts them: the conditions beside it tell the rest. */
const termsOf = ({ account, merchant, category, reason }: AnomalyFilter): string[] =>
  Object.entries({ a: account, m: merchant, c: category, r: reason })
    .filter(([, value]) => value !== undefined)
    .map(([letter, value]) => letter + [...value!].slice(0, 64).join(''))

/** So many anomalies are read and sorted sooner than a queue is walked for them. */
const FEW = 2000

/**
 * The search that finds few anomalies, if one does, as a statement's part that gives all of them: for a filter that leaves
 * out most of what the queues have.
 */
export async function searchForFew(query: Query, filter: AnomalyFilter): Promise<Search | undefined> {
  const searches = searchesOf(filter)
  if (searches.length === 0) return undefined
  const { values, given } = parameters()
  const counts = searches.map(
    (search, i) =>
      `(SELECT count(*) FROM (SELECT FROM transactions t WHERE ${search(given)} LIMIT ${FEW}) t)
       AS found_${i}`,
  )
  const [found] = await query<Record<string, number>>(`SELECT ${counts.join(', ')}`, values)
  const search = searches.find((_, i) => found[`found_${i}`] < FEW)
  // The bound is only for the plan: so many do not come in between the two statements.
  return search && ((given) => `${search(given)} LIMIT ${10 * FEW}`)
}
