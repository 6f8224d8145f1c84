import { Hono } from 'hono'
import type { Env } from '../context.ts'
import { accountPath, pathOf, queryOf, timelineQuery } from '../parameters.ts'
import { accountTransactions } from '../sql/accounts.ts'
import type { Database } from '../sql/database.ts'

export function accountRoutes(database: Database): Hono<Env> {
  return new Hono<Env>().get('/:account_id/transactions', async (c) => {
    const { account_id } = pathOf(c, accountPath)
    const data = await accountTransactions(database.query, account_id, queryOf(c, timelineQuery).limit)
    return c.json({ data, count: data.length, next_cursor: null })
  })
}
