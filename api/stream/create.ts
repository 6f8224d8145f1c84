import type { Hono } from 'hono'
import { createClient } from '../../schemas/database.ts'
import type { Guard } from '../auth/guard.ts'
import type { Deps, Env } from '../context.ts'
import type { ApiMetrics } from '../metrics.ts'
import type { Database } from '../sql/database.ts'
import { Hub } from './hub.ts'
import { streamMetrics } from './metrics.ts'
import { streamRoutes } from './routes.ts'

/** For a question whether the connection for notifications is alive. */
const ANSWER_MS = 5000

/** The stream of events of this process; ends all of them when the process stops. */
export function createStream(deps: Deps, metrics: ApiMetrics, database: Database, guard: Guard): Hono<Env> {
  const { settings, log, lifecycle } = deps
  const hub: Hub = new Hub({
    query: database.query,
    connect: () =>
      createClient({
        connectionString: settings.DATABASE_URL,
        application_name: 'weir-api-stream',
        queryTimeoutMs: ANSWER_MS,
      }),
    metrics: streamMetrics(metrics, () => hub.size),
    maxClients: settings.STREAM_MAX_CLIENTS,
    log,
  })
  lifecycle?.signal?.addEventListener('abort', () => hub.stop())
  return streamRoutes(hub, guard)
}
