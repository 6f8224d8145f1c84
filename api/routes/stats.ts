import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { STATUSES } from '../../schemas/transaction.ts'
import type { Env } from '../context.ts'
import { answer } from '../openapi/answers.ts'
import { STATS_EXAMPLE } from '../openapi/examples.ts'
import { REFUSED, USUAL } from '../openapi/failures.ts'
import { code, count, status, time } from '../openapi/values.ts'
import type { Database } from '../sql/database.ts'
import { type Count, countAnomalies, countByHour } from '../sql/stats.ts'

const counts = z
  .strictObject({
    total: count.openapi({ example: 1240 }),
    by_status: z
      .array(z.strictObject({ status, count: count.openapi({ example: 37 }) }))
      .max(STATUSES.length),
    by_reason: z
      .array(z.strictObject({ reason: code.nullable(), count: count.openapi({ example: 611 }) }))
      .max(100_000)
      .openapi({ description: 'By main reason, the most frequent first.' }),
    by_hour: z
      .array(
        z.strictObject({ hour: time('2026-11-24T09:00:00.000Z'), count: count.openapi({ example: 12 }) }),
      )
      .max(24)
      .openapi({ description: 'By event time: this hour and the 23 before it.' }),
    queue: z.strictObject({
      waiting: count.openapi({ description: 'Anomalies that nobody has decided.', example: 37 }),
      oldest: time().nullable().openapi({ description: 'Event time of the oldest of them.' }),
      oldest_age_seconds: count.nullable().openapi({ example: 5400 }),
    }),
  })
  .openapi('Stats')

const stats = createRoute({
  method: 'get',
  path: '/',
  operationId: 'getStats',
  tags: ['decisions'],
  summary: 'Counts of anomalies',
  description:
    'By status, main reason and hour, and how old the queue is. Counted at the call, over all anomalies.',
  responses: {
    200: answer('The counts.', counts, STATS_EXAMPLE),
    ...USUAL,
    ...REFUSED,
  },
})

/** @param now milliseconds since 1970 */
export function statsRoutes(database: Database, now: () => number): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>().openapi(stats, async (c) => {
    const moment = new Date(now())
    const [all, by_hour] = await Promise.all([
      countAnomalies(database.query),
      countByHour(database.query, moment),
    ])
    const by_status = STATUSES.map((status) => ({
      status,
      count: sum(all.filter((n) => n.status === status)),
    }))
    const waiting = all.filter((n) => n.status === 'NEW')
    const oldest = waiting.map((n) => n.oldest).sort()[0] ?? null
    const age =
      oldest === null ? null : Math.max(0, Math.floor((moment.getTime() - Date.parse(oldest)) / 1000))
    const queue = { waiting: sum(waiting), oldest, oldest_age_seconds: age }
    return c.json({ total: sum(all), by_status, by_reason: byReason(all), by_hour, queue }, 200)
  })
}

const sum = (counts: readonly Count[]): number => counts.reduce((total, { count }) => total + count, 0)

const byReason = (all: readonly Count[]) =>
  [...new Set(all.map(({ reason }) => reason))]
    .map((reason) => ({ reason, count: sum(all.filter((n) => n.reason === reason)) }))
    .sort((a, b) => b.count - a.count)
