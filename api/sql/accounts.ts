import type { Query } from './database.ts'
import { ITEM, type Item } from './items.ts'

/** An account's transactions, newest first. */
export function accountTransactions(query: Query, accountId: string, limit: number): Promise<Item[]> {
  return query<Item>(
    `SELECT ${ITEM} FROM transactions t WHERE t.account_id = $1
     ORDER BY t.timestamp DESC, t.transaction_id LIMIT $2`,
    [accountId, limit],
  )
}
