import { Hono, type MiddlewareHandler } from 'hono'
import { clientAddress } from '../auth/client.ts'
import type { Env, Lifecycle } from '../context.ts'
import type { LimitName, Limits } from '../limits.ts'
import type { Database } from '../sql/database.ts'

/** Liveness never asks the database: restarting this process would not bring it back. */
export function healthRoutes(database: Database, limits: Limits, lifecycle: Lifecycle): Hono<Env> {
  const limited = (name: LimitName): MiddlewareHandler<Env> =>
    async function countHealth(c, next) {
      await limits.consume(c, name, clientAddress(c))
      await next()
    }

  return new Hono<Env>()
    .get('/health', limited('health'), (c) =>
      c.json({ status: 'healthy', uptime_seconds: Math.floor(process.uptime()) }),
    )
    .get('/health/live', limited('health'), (c) => c.json({ status: 'alive' }))
    .get('/health/ready', limited('ready'), async (c) => {
      const database_state = await database.check().then(
        () => 'ok',
        () => 'unavailable',
      )
      const ready = database_state === 'ok' && !lifecycle.stopping
      const checks = { database: database_state, ...(lifecycle.stopping ? { process: 'stopping' } : {}) }
      if (ready) return c.json({ status: 'ready', checks })
      return c.json({ status: 'not ready', checks }, 503, { 'Retry-After': '2' })
    })
}
