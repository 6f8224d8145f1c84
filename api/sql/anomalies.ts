import { STATUSES } from '../../schemas/transaction.ts'
import { type AnomalyFilter, conditionsOf, type Order, searchForFew } from './anomaly-filter.ts'
import type { Query } from './database.ts'
import { parameters, unseen } from './given.ts'
import { anomaliesWithId, EXACT_TIME, ITEM, VERSION, type VersionedItem } from './items.ts'

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
  const { values, given } = parameters()
  const { sql: rank, type } = RANK[filter.order ?? 'score']
  const conditions = conditionsOf(filter, given)
  // What a filter's values and the page leave is what its plan hangs on; without a filter there is nothing to choose.
  const isPlain = conditions.length === 0
  const bound = (value: number) => (isPlain ? unseen(given(value), 'bigint') : `${given(value)}::bigint`)
  const [limit, offset] = [bound(page.limit), bound(page.offset ?? 0)]
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
      ORDER BY ${rank}, t.timestamp, t.transaction_id LIMIT ${limit} + ${offset})`,
      )
  return query<ListedItem>(
    `${few ? `WITH few AS MATERIALIZED (SELECT ${row} FROM transactions t WHERE ${few(given)})` : ''}
     SELECT ${ITEM}, t.version, t.rank::text AS rank, ${EXACT_TIME} FROM (${lists.join(' UNION ALL ')}) t
     ORDER BY t.rank, t.timestamp, t.transaction_id LIMIT ${limit} OFFSET ${offset}`,
    values,
    isPlain ? `queue-by-${type}-of-${statuses.length}${page.after ? '-behind' : ''}` : undefined,
  )
}

/**
 * One anomaly by its id, and nothing beside it: with its time only one month is looked at.
 * @param timestamp the event time to the millisecond; undefined for the newest
 */
export async function findAnomaly(
  query: Query,
  transactionId: string,
  timestamp: string | undefined,
): Promise<VersionedItem | undefined> {
  const { values, given } = parameters()
  const which = anomaliesWithId(given, transactionId, timestamp)
  const [item] = await query<VersionedItem>(
    `SELECT ${ITEM}, ${VERSION} FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1`,
    values,
    `find-${which.name}`,
  )
  return item
}
