import type { Query } from './database.ts'
import { ITEM, type Item } from './items.ts'

/** As in the index `transactions_account`. */
const quarterOf = (time: string) => `date_bin('6 hours', ${time}, '2000-01-01 00:00:00+00')`

/**
 * An account's transactions, newest first. The index has them by quarters of a day, so the quarters of the table are
 * walked back from the newest on until there are enough: some microseconds each, in which the account has none.
 */
export function accountTransactions(query: Query, accountId: string, limit: number): Promise<Item[]> {
  return query<Item>(
    `SELECT ${ITEM} FROM (
       SELECT t.* FROM generate_series(
         (SELECT ${quarterOf('max(timestamp)')} FROM transactions),
         (SELECT ${quarterOf('min(timestamp)')} FROM transactions), '-6 hours') AS quarter
       CROSS JOIN LATERAL (
         SELECT * FROM transactions
         WHERE ${quarterOf('timestamp')} = quarter AND hashtext(account_id) = hashtext($1) AND account_id = $1
           AND timestamp >= quarter AND timestamp < quarter + interval '6 hours' -- leaves out the other months' tables
         ORDER BY timestamp DESC, transaction_id LIMIT $2
       ) t LIMIT $2
     ) t ORDER BY t.timestamp DESC, t.transaction_id`,
    [accountId, limit],
  )
}
