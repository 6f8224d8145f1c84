import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type pg from 'pg'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Logger } from '../schemas/log.ts'
import type { Pseudonyms } from '../schemas/pseudonyms.ts'
import type { Env } from './context.ts'

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'])

/**
 * Counts, times and logs every request. Routes are named by their pattern: a path holds ids of accounts, which
 * belong neither into labels nor into logs; the log has a pseudonym of the account whose timeline was read.
 */
export function observe(registry: Registry, log: Logger, pseudonyms: Pseudonyms): MiddlewareHandler<Env> {
  const labelNames = ['method', 'route', 'status'] as const
  const requests = new Counter({
    name: 'weir_http_requests_total',
    help: 'Requests answered, by method, pattern of the route and status.',
    labelNames,
    registers: [registry],
  })
  const duration = new Histogram({
    name: 'weir_http_request_duration_seconds',
    help: 'Time from a request to its answer, in seconds.',
    labelNames,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  })

  return async (c, next) => {
    const started = performance.now()
    await next()
    const seconds = (performance.now() - started) / 1000
    const account: string | undefined = c.req.param('account_id')
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    const labels = { method, route: routeOf(c), status: c.res.status }
    requests.inc(labels)
    duration.observe(labels, seconds)
    const level = labels.route.startsWith('/health') || labels.route === '/metrics' ? 'debug' : 'info'
    log[level](
      {
        request_id: c.get('requestId'),
        ...labels,
        duration_ms: Math.round(seconds * 1e6) / 1000,
        caller: c.get('caller')?.kind ?? 'none',
        ...(account === undefined ? {} : { account: pseudonyms(account) }),
      },
      'request',
    )
  }
}

/** Gauges of the pool, read when they are asked for. */
export function observePool(registry: Registry, pool: pg.Pool): void {
  new Gauge({
    name: 'weir_database_pool_connections',
    help: 'Connections of the API to PostgreSQL, by state.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.set({ state: 'busy' }, pool.totalCount - pool.idleCount)
      this.set({ state: 'idle' }, pool.idleCount)
    },
  })
  new Gauge({
    name: 'weir_database_pool_waiting',
    help: 'Requests that wait for a connection.',
    registers: [registry],
    collect() {
      this.set(pool.waitingCount)
    },
  })
}

/** The pattern of the handler that the router found; middleware is registered for all methods. */
function routeOf(c: Context<Env>): string {
  return matchedRoutes(c).findLast((route) => route.method !== 'ALL')?.path ?? 'unmatched'
}
