import type { Query } from './database.ts'
import { unseen } from './given.ts'
import { EXACT_TIME, ITEM, type Item } from './items.ts'

/** As in the index `transactions_account`. */
const quarterOf = (time: string) => `date_bin('6 hours', ${time}, '2000-01-01 00:00:00+00')`

/** The first moment of a time's calendar month, which is one table's. */
const monthOf = (time: string) => `date_trunc('month', ${time}, 'UTC')`

/**
 * An account's transactions, newest first. The index has them by quarters of a day, so these are walked back until there
 * are enough: some microseconds each, in which the account has none. They are walked month by month, in each from its
 * newest row to its oldest, and from one month straight to the next that has rows: a single row dated years ahead or back
 * must not have the walk cross the years in between. The quarters come in order, so the outer LIMIT needs none of its own
 * and ends the walk. One statement, so that all months are of one snapshot. It begins behind the item of $3 and $4.
 */
export const TIMELINE = `
  WITH RECURSIVE months (newest) AS (
    SELECT max(timestamp) FROM transactions WHERE timestamp <= $3::timestamptz
    UNION ALL
    SELECT (SELECT max(timestamp) FROM transactions WHERE timestamp < ${monthOf('newest')})
    FROM months WHERE newest IS NOT NULL
  )
  SELECT ${ITEM}, ${EXACT_TIME} FROM (
    SELECT t.* FROM months
    CROSS JOIN LATERAL generate_series(
      ${quarterOf('newest')},
      (SELECT ${quarterOf('min(timestamp)')} FROM transactions
       WHERE timestamp >= ${monthOf('newest')} AND timestamp <= newest), '-6 hours') AS quarter
    CROSS JOIN LATERAL (
      SELECT * FROM transactions
      WHERE ${quarterOf('timestamp')} = quarter AND hashtext(account_id) = hashtext($1) AND account_id = $1
        AND timestamp >= quarter AND timestamp < quarter + interval '6 hours' -- leaves out the other months' tables
        AND (timestamp < $3 OR timestamp = $3 AND transaction_id > $4)
      ORDER BY timestamp DESC, transaction_id LIMIT ${unseen('$2', 'bigint')}
    ) t LIMIT ${unseen('$2', 'bigint')}
  ) t ORDER BY t.timestamp DESC, t.transaction_id`

export type TimelineItem = Item & { exact_time: string }

/** Where an item stands in a timeline; what comes before all of them. */
export interface TimelinePlace {
  /** With microseconds. */
  exact_time: string
  transaction_id: string
}
export const NEWEST: TimelinePlace = { exact_time: 'infinity', transaction_id: '' }

/** @see TIMELINE */
export const accountTransactions = (
  query: Query,
  accountId: string,
  limit: number,
  after = NEWEST,
): Promise<TimelineItem[]> =>
  query<TimelineItem>(TIMELINE, [accountId, limit, after.exact_time, after.transaction_id], 'timeline')
