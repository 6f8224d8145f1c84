import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import { z } from 'zod'
import type { Env } from '../context.ts'
import { decodeCursor, encodeCursor, exactTime, placeId } from '../cursor.ts'
import { answer } from '../openapi/answers.ts'
import { LIST_EXAMPLE } from '../openapi/examples.ts'
import { failures, USUAL } from '../openapi/failures.ts'
import { transactionList } from '../openapi/items.ts'
import { accountPath, timelineQuery } from '../parameters.ts'
import { accountTransactions, type TimelineItem } from '../sql/accounts.ts'
import type { Database } from '../sql/database.ts'

const timeline = createRoute({
  method: 'get',
  path: '/{account_id}/transactions',
  operationId: 'listAccountTransactions',
  tags: ['accounts'],
  summary: 'An account’s timeline',
  description: 'All of its transactions, the newest first. An account that is not known has none.',
  request: { params: accountPath, query: timelineQuery },
  responses: {
    200: answer('A page of the timeline.', transactionList, LIST_EXAMPLE),
    ...USUAL,
    ...failures(422),
  },
})

const placeForm = z.tuple([exactTime, placeId])
const listOf = (accountId: string) => ['timeline', accountId]

export function accountRoutes(database: Database): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>().openapi(timeline, async (c) => {
    const { account_id } = c.req.valid('param')
    const { limit, cursor } = c.req.valid('query')
    const after = cursor === undefined ? undefined : placeOf(account_id, cursor)
    // One more than is shown tells whether there is a next page.
    const rows = await accountTransactions(database.query, account_id, limit + 1, after)
    const data = rows.slice(0, limit)
    const { exact_time, transaction_id } = data.at(-1) ?? {}
    const next_cursor =
      rows.length > limit ? encodeCursor(listOf(account_id), [exact_time, transaction_id]) : null
    return c.json({ data: data.map(shown), count: data.length, next_cursor }, 200)
  })
}

function placeOf(accountId: string, cursor: string) {
  const [exact_time, transaction_id] = decodeCursor(listOf(accountId), cursor, placeForm)
  return { exact_time, transaction_id }
}

const shown = ({ exact_time: _, ...item }: TimelineItem) => item
