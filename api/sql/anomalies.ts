import { STATUSES } from '../../schemas/transaction.ts'
import type { Query } from './database.ts'
import { atTime, EXACT_TIME, ITEM, isoTime, VERSION, type VersionedItem } from './items.ts'

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
  /** Decimals. */
  min_amount?: string
  max_amount?: string
  order?: Order
}

export type Order = 'score' | 'loss'

/** Where an item stands in its list. */
export interface Place {
  /** The negated score or expected loss, as PostgreSQL prints it. */
  rank: string
  /** With microseconds. */
  exact_time: string
  transaction_id: string
}

export interface Page {
  limit: number
  offset?: number
  /** The item that the page comes behind. */
  after?: Place
}

export type ListedItem = VersionedItem & Place

/** Negated, so that rank, time and id all grow, and one comparison of rows tells what comes behind an item. */
const RANK: Record<Order, { sql: string; type: string }> = {
  score: { sql: '(- t.score)', type: 'real' },
  loss: { sql: '(- expected_loss(t.amount, t.score))', type: 'numeric' },
}

/** As in the indexes of the queues. */
const STATUS = `coalesce(t.status, 'NEW')`
const TERMS = 'anomaly_terms(t.account_id, t.merchant_id, t.merchant_category, t.alert_reason, t.reasons)'

/**
 * The queue: the riskiest first, or the highest expected loss; then who has waited longest. Each status has its queue in
 * the index; so many as are asked for are merged. So a page costs what it holds, wherever it is, unless a filter leaves
 * out most of what the queues have and none of its terms is rare.
 */
export async function listAnomalies(query: Query, filter: AnomalyFilter, page: Page): Promise<ListedItem[]> {
  const values: unknown[] = []
  const given = (value: unknown) => `$${values.push(value)}`
  const { sql: rank, type } = RANK[filter.order ?? 'score']
  const limit = given(page.limit)
  const offset = given(page.offset ?? 0)
  const conditions = ['t.is_anomaly', ...conditionsOf(filter, given)]
  const terms = termsOf(filter)
  if (await areRare(query, terms)) conditions.push(`${TERMS} @> ${given(terms)}::text[]`)
  if (page.after !== undefined) {
    const { rank: last, exact_time, transaction_id } = page.after
    conditions.push(
      `(${rank}, t.timestamp, t.transaction_id) > (${given(last)}::${type}, ${given(exact_time)}::timestamptz, ${given(transaction_id)})`,
    )
  }
  const queues = [...new Set(filter.status ?? STATUSES)].map(
    (status) => `(
      SELECT t.*, ${VERSION}, ${rank} AS rank FROM transactions t
      WHERE ${STATUS} = ${given(status)} AND ${conditions.join(' AND ')}
      ORDER BY ${rank}, t.timestamp, t.transaction_id LIMIT ${limit}::bigint + ${offset}::bigint)`,
  )
  return query<ListedItem>(
    `SELECT ${ITEM}, t.version, t.rank::text AS rank, ${EXACT_TIME} FROM (${queues.join(' UNION ALL ')}) t
     ORDER BY t.rank, t.timestamp, t.transaction_id LIMIT ${limit} OFFSET ${offset}`,
    values,
  )
}

function conditionsOf(filter: AnomalyFilter, given: (value: unknown) => string): string[] {
  const conditions: string[] = []
  // score is a real: 0.9 must be compared as the real nearest to it, and 1e-50 is out of a real's range.
  if (filter.min_score) conditions.push(`(- t.score) <= ${given(-Math.fround(filter.min_score))}::real`)
  if (filter.from) conditions.push(`t.timestamp >= ${given(filter.from)}`)
  if (filter.to) conditions.push(`t.timestamp < ${given(filter.to)}`)
  if (filter.min_amount) conditions.push(`t.amount >= ${given(filter.min_amount)}`)
  if (filter.max_amount) conditions.push(`t.amount <= ${given(filter.max_amount)}`)
  if (filter.account !== undefined) conditions.push(`t.account_id = ${given(filter.account)}`)
  if (filter.merchant !== undefined) conditions.push(`t.merchant_id = ${given(filter.merchant)}`)
  if (filter.category !== undefined) conditions.push(`t.merchant_category = ${given(filter.category)}`)
  if (filter.reason !== undefined) {
    const code = JSON.stringify([{ code: filter.reason }])
    conditions.push(`(t.alert_reason = ${given(filter.reason)} OR t.reasons @> ${given(code)}::jsonb)`)
  }
  return conditions
}

/** So many anomalies are read and sorted sooner than a queue is walked for them. */
const FEW = 2000

/**
 * Whether few anomalies have all of the terms: then the index of terms finds them. Asked here, as PostgreSQL has no
 * statistics of what a partial index holds and would take every term for rare.
 */
async function areRare(query: Query, terms: readonly string[]): Promise<boolean> {
  if (terms.length === 0) return false
  const [{ count }] = await query<{ count: number }>(
    `SELECT count(*) AS count
     FROM (SELECT FROM transactions t WHERE t.is_anomaly AND ${TERMS} @> $1::text[] LIMIT ${FEW}) t`,
    [terms],
  )
  return count < FEW
}

/** As in the index, which cuts them: the conditions beside it tell the rest. */
const termsOf = ({ account, merchant, category, reason }: AnomalyFilter): string[] =>
  Object.entries({ a: account, m: merchant, c: category, r: reason })
    .filter(([, value]) => value !== undefined)
    .map(([letter, value]) => letter + [...value!].slice(0, 64).join(''))

/**
 * One anomaly by its id.
 * @param timestamp the event time to the millisecond; undefined for the newest
 */
export async function findAnomaly(
  query: Query,
  transactionId: string,
  timestamp: string | undefined,
): Promise<VersionedItem | undefined> {
  const [item] = await query<VersionedItem>(
    `SELECT ${ITEM}, ${VERSION} FROM transactions t
     WHERE t.transaction_id = $1 AND t.is_anomaly AND ${atTime('$2')}
     ORDER BY t.timestamp DESC LIMIT 1`,
    [transactionId, timestamp ?? null],
  )
  return item
}

export type EarlierAnomaly = Pick<
  VersionedItem,
  'transaction_id' | 'timestamp' | 'amount' | 'currency' | 'merchant_id' | 'score' | 'alert_reason' | 'status'
>

/** The account's ten newest anomalies before an event time, newest first. */
export function earlierAnomalies(
  query: Query,
  accountId: string,
  timestamp: string,
): Promise<EarlierAnomaly[]> {
  return query<EarlierAnomaly>(
    `SELECT t.transaction_id, ${isoTime('t.timestamp')} AS timestamp, t.amount, t.currency, t.merchant_id, t.score,
            t.alert_reason, t.status
     FROM transactions t WHERE t.is_anomaly AND ${TERMS} @> ARRAY['a' || $1::text] AND t.timestamp < $2
     ORDER BY t.timestamp DESC, t.transaction_id LIMIT 10`,
    [accountId, timestamp],
  )
}
