import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { clientAddress } from '../auth/client.ts'
import type { Env, Lifecycle } from '../context.ts'
import type { LimitName, Limits } from '../limits.ts'
import { answer } from '../openapi/answers.ts'
import { failures, REFUSED, WITH_RETRY } from '../openapi/failures.ts'
import { count } from '../openapi/values.ts'
import type { Database } from '../sql/database.ts'

const shared = { method: 'get' as const, tags: ['operations'], security: [] }

const health = createRoute({
  ...shared,
  path: '/health',
  operationId: 'getHealth',
  summary: 'Is the process well?',
  description: 'Asks nobody else.',
  responses: {
    200: answer(
      'It is.',
      z.strictObject({ status: z.literal('healthy'), uptime_seconds: count }).openapi('Health'),
      { status: 'healthy', uptime_seconds: 86400 },
    ),
    ...failures(429, 500),
    ...REFUSED,
  },
})

const live = createRoute({
  ...shared,
  path: '/health/live',
  operationId: 'getLiveness',
  summary: 'Does the process answer?',
  description: 'Never asks the database: to start this process again would not bring that back.',
  responses: {
    200: answer('It does.', z.strictObject({ status: z.literal('alive') }).openapi('Liveness'), {
      status: 'alive',
    }),
    ...failures(429, 500),
    ...REFUSED,
  },
})

const checks = z.strictObject({
  database: z.enum(['ok', 'unavailable']),
  process: z.literal('stopping').optional(),
})
const notReady = z.strictObject({ status: z.literal('not ready'), checks }).openapi('NotReady')

const ready = createRoute({
  ...shared,
  path: '/health/ready',
  operationId: 'getReadiness',
  summary: 'May calls be sent here?',
  description: 'Whether the database answers, and the process is not about to stop.',
  responses: {
    200: answer('They may.', z.strictObject({ status: z.literal('ready'), checks }).openapi('Readiness'), {
      status: 'ready',
      checks: { database: 'ok' },
    }),
    503: answer(
      'Not now.',
      notReady,
      { status: 'not ready', checks: { database: 'unavailable' } },
      WITH_RETRY,
    ),
    ...failures(429, 500),
    ...REFUSED,
  },
})

/** Liveness never asks the database: restarting this process would not bring it back. */
export function healthRoutes(database: Database, limits: Limits, lifecycle: Lifecycle): OpenAPIHono<Env> {
  const limited = (name: LimitName): MiddlewareHandler<Env> =>
    async function countHealth(c, next) {
      await limits.consume(c, name, clientAddress(c))
      await next()
    }
  const routes = new OpenAPIHono<Env>()
  routes.openapi({ ...health, middleware: limited('health') }, (c) =>
    c.json({ status: 'healthy' as const, uptime_seconds: Math.floor(process.uptime()) }, 200),
  )
  routes.openapi({ ...live, middleware: limited('health') }, (c) => c.json({ status: 'alive' as const }, 200))
  routes.openapi({ ...ready, middleware: limited('ready') }, async (c) => {
    const database_state = await database.check().then(
      () => 'ok' as const,
      () => 'unavailable' as const,
    )
    const stopping = lifecycle.stopping ? { process: 'stopping' as const } : {}
    const checks = { database: database_state, ...stopping }
    if (database_state === 'ok' && !lifecycle.stopping)
      return c.json({ status: 'ready' as const, checks }, 200)
    return c.json({ status: 'not ready' as const, checks }, 503, { 'Retry-After': '2' })
  })
  return routes
}
