import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Registry } from 'prom-client'
import type { Guard } from '../auth/guard.ts'
import type { Env } from '../context.ts'
import { LIMIT_HEADERS, REFUSED, USUAL } from '../openapi/failures.ts'
import { TEXT_PATTERN } from '../openapi/values.ts'

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  operationId: 'getMetrics',
  tags: ['operations'],
  summary: 'Metrics for Prometheus',
  description: 'Not counted against a limit, but for wrong keys.',
  responses: {
    200: {
      description: 'Prometheus’ text format.',
      headers: LIMIT_HEADERS,
      content: {
        'text/plain': {
          schema: z.string().max(10_000_000).openapi({
            pattern: TEXT_PATTERN,
            example: 'weir_database_pool_waiting 0\n',
          }),
        },
      },
    },
    ...USUAL,
    ...REFUSED,
  },
})

export function metricsRoutes(registry: Registry, guard: Guard): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>().openapi({ ...metrics, middleware: guard.unlimited }, async (c) =>
    c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
  )
}
