import type { Query } from './database.ts'
import { ITEM, type Item } from './items.ts'

/** As in the index `transactions_account`. */
const quarterOf = (time: string) => `date_bin('6 hours', ${time}, '2000-01-01 00:00:00+00')`

/** The first moment of a time's calendar month, which is one table's. */
const monthOf = (time: string) => `date_trunc('month', ${time}, 'UTC')`

/**
 * An account's transactions, newest first. The index has them by quarters of a day, so these are walked back until there
 * are enough: some microseconds each, in which the account has none. They are walked month by month, in each from its
 * newest row to its oldest, and from one month straight to the next that has rows: a single row dated years ahead or back
 * must not have the walk cross the years in between. The quarters come in order, so the outer LIMIT needs none of its own
 * and ends the walk. One statement, so that all months are of one snapshot.
 */
export const TIMELINE = `
  WITH RECURSIVE months (newest) AS (
    SELECT max(timestamp) FROM transactions
    UNION ALL
    SELECT (SELECT max(timestamp) FROM transactions WHERE timestamp < ${monthOf('newest')})
    FROM months WHERE newest IS NOT NULL
  )
  SELECT ${ITEM} FROM (
    SELECT t.* FROM months
    CROSS JOIN LATERAL generate_series(
      ${quarterOf('newest')},
      (SELECT ${quarterOf('min(timestamp)')} FROM transactions
       WHERE timestamp >= ${monthOf('newest')} AND timestamp <= newest), '-6 hours') AS quarter
    CROSS JOIN LATERAL (
      SELECT * FROM transactions
      WHERE ${quarterOf('timestamp')} = quarter AND hashtext(account_id) = hashtext($1) AND account_id = $1
        AND timestamp >= quarter AND timestamp < quarter + interval '6 hours' -- leaves out the other months' tables
      ORDER BY timestamp DESC, transaction_id LIMIT $2
    ) t LIMIT $2
  ) t ORDER BY t.timestamp DESC, t.transaction_id`

/** @see TIMELINE */
export const accountTransactions = (query: Query, accountId: string, limit: number): Promise<Item[]> =>
  query<Item>(TIMELINE, [accountId, limit])
