import { STATUSES } from '../../schemas/transaction.ts'
import {
  type AnomalyFilter,
  conditionsOf,
  type Given,
  type Order,
  searchForFew,
  TERMS,
} from './anomaly-filter.ts'
import type { Query } from './database.ts'
import { anomaliesWithId, EXACT_TIME, ITEM, isoTime, VERSION, type VersionedItem } from './items.ts'

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

/**
 * The queue: the riskiest first, or the highest expected loss; then who has waited longest. Each status has its queue in
 * the index; so many as are asked for are merged. So a page costs what it holds, wherever it is. When a filter leaves out
 * most of what the queues have, an index finds the few instead; known limit: two conditions that many have each, and
 * few have together.
 */
export async function listAnomalies(query: Query, filter: AnomalyFilter, page: Page): Promise<ListedItem[]> {
  const few = await searchForFew(query, filter)
  const values: unknown[] = []
  const given: Given = (value) => `$${values.push(value)}`
  const { sql: rank, type } = RANK[filter.order ?? 'score']
  const limit = given(page.limit)
  const offset = given(page.offset ?? 0)
  const conditions = conditionsOf(filter, given)
  const isPlain = conditions.length === 0
  if (page.after !== undefined) {
    const { rank: last, exact_time, transaction_id } = page.after
    conditions.push(
      `(${rank}, t.timestamp, t.transaction_id) > (${given(last)}::${type}, ${given(exact_time)}::timestamptz, ${given(transaction_id)})`,
    )
  }
  const statuses = [...new Set(filter.status ?? STATUSES)]
  const where = (...more: string[]) => [...more, ...conditions].join(' AND ')
  const row = `t.*, ${VERSION}, ${rank} AS rank`
  const lists = few
    ? [`SELECT * FROM few t WHERE ${where(`${STATUS} = ANY(${given(statuses)})`)}`]
    : statuses.map(
        (status) => `(
      SELECT ${row} FROM transactions t WHERE ${where('t.is_anomaly', `${STATUS} = ${given(status)}`)}
      ORDER BY ${rank}, t.timestamp, t.transaction_id LIMIT ${limit}::bigint + ${offset}::bigint)`,
      )
  return query<ListedItem>(
    `${few ? `WITH few AS MATERIALIZED (SELECT ${row} FROM transactions t WHERE ${few(given)})` : ''}
     SELECT ${ITEM}, t.version, t.rank::text AS rank, ${EXACT_TIME} FROM (${lists.join(' UNION ALL ')}) t
     ORDER BY t.rank, t.timestamp, t.transaction_id LIMIT ${limit} OFFSET ${offset}`,
    values,
    // What a filter's values leave is what its plan hangs on; without one there is nothing to choose.
    isPlain ? `queue-by-${type}-of-${statuses.length}${page.after ? '-behind' : ''}` : undefined,
  )
}

/**
 * One anomaly by its id.
 * @param timestamp the event time to the millisecond; undefined for the newest
 */
export async function findAnomaly(
  query: Query,
  transactionId: string,
  timestamp: string | undefined,
): Promise<VersionedItem | undefined> {
  const which = anomaliesWithId(transactionId, timestamp)
  const [item] = await query<VersionedItem>(
    `SELECT ${ITEM}, ${VERSION} FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1`,
    which.values,
    `find-${which.name}`,
  )
  return item
}

export type EarlierAnomaly = Pick<
  VersionedItem,
  'transaction_id' | 'timestamp' | 'amount' | 'currency' | 'merchant_id' | 'score' | 'alert_reason' | 'status'
>

/** So many of an account's anomalies are read and sorted sooner than all of them are walked back through. */
const FEW_OWN = 2000
const EARLIER = 10

const NEWEST_BEFORE = `t.timestamp < $2 ORDER BY t.timestamp DESC, t.transaction_id LIMIT ${EARLIER}`
const EARLIER_COLUMNS = `
  t.transaction_id, ${isoTime('t.timestamp')} AS timestamp, t.amount, t.currency, t.merchant_id, t.score,
  t.alert_reason, t.status`

/**
 * The account's ten newest anomalies before an event time, newest first. Few are read and sorted; an account that has many
 * has ten soon on the way back through time. PostgreSQL cannot tell the two apart, and would walk back through everybody's
 * anomalies for an account that has three.
 */
export async function earlierAnomalies(
  query: Query,
  accountId: string,
  timestamp: string,
): Promise<EarlierAnomaly[]> {
  const values = [accountId, timestamp]
  const rows = await query<EarlierAnomaly & { own: number }>(
    `WITH own AS MATERIALIZED (
       SELECT * FROM transactions t WHERE t.is_anomaly AND ${TERMS} @> ARRAY['a' || $1::text] AND t.account_id = $1
       LIMIT ${FEW_OWN})
     SELECT n.own, e.* FROM (SELECT count(*) AS own FROM own) n
     LEFT JOIN (SELECT ${EARLIER_COLUMNS} FROM own t WHERE ${NEWEST_BEFORE}) e ON true`,
    values,
    'earlier-anomalies',
  )
  if (rows[0].own === FEW_OWN)
    return query<EarlierAnomaly>(
      `SELECT ${EARLIER_COLUMNS} FROM transactions t WHERE t.is_anomaly AND t.account_id = $1 AND ${NEWEST_BEFORE}`,
      values,
      'earlier-of-many',
    )
  return rows.filter((row) => row.transaction_id !== null).map(({ own: _, ...row }) => row)
}
