import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Logger } from '../schemas/log.ts'
import type { Pseudonyms } from '../schemas/pseudonyms.ts'
import type { Env } from './context.ts'
import type { ApiMetrics } from './metrics.ts'

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'])

/**
 * Counts, times and logs every request. Routes are named by their pattern: a path holds ids of accounts, which
 * belong neither into labels nor into logs; the log has a pseudonym of the account whose timeline was read.
 */
export function observe(
  { requests, requestSeconds }: Pick<ApiMetrics, 'requests' | 'requestSeconds'>,
  log: Logger,
  pseudonyms: Pseudonyms,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const started = performance.now()
    await next()
    const seconds = (performance.now() - started) / 1000
    const account: string | undefined = c.req.param('account_id')
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    const labels = { method, route: routeOf(c), status: c.res.status }
    requests.inc(labels)
    requestSeconds.observe(labels, seconds)
    const level = labels.route.startsWith('/health') || labels.route === '/metrics' ? 'debug' : 'info'
    log[level](
      {
        request_id: c.get('requestId'),
        ...labels,
        duration_ms: Math.round(seconds * 1e6) / 1000,
        // As the audit names him: what a key that was stolen has read can be found.
        caller: c.get('caller')?.actor ?? 'none',
        ...(account === undefined ? {} : { account: pseudonyms(account) }),
      },
      'request',
    )
  }
}

/** The pattern of the handler that the router found; middleware is registered for all methods. */
function routeOf(c: Context<Env>): string {
  return matchedRoutes(c).findLast((route) => route.method !== 'ALL')?.path ?? 'unmatched'
}
