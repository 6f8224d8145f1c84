import { OpenAPIHono } from '@hono/zod-openapi'
import { createPseudonyms } from '../schemas/pseudonyms.ts'
import { readClient } from './auth/client.ts'
import { createAuth } from './auth/create.ts'
import { limitBodies } from './bodies.ts'
import type { Deps, Env } from './context.ts'
import { closeWhenStopping, crossOrigin, notStored, requestIds, securityHeaders } from './headers.ts'
import { createLimits } from './limits.ts'
import { refuseOtherMethods } from './methods.ts'
import { createApiMetrics, nameRoutes } from './metrics.ts'
import { observe } from './observe.ts'
import { pageRoutes } from './pages/routes.ts'
import { Problem, problemHandler, respond } from './problems.ts'
import { accountRoutes } from './routes/accounts.ts'
import { anomalyRoutes } from './routes/anomalies.ts'
import { bulkRoutes } from './routes/bulk.ts'
import { addDocuments } from './routes/documents.ts'
import { exportRoutes } from './routes/export.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { registryRoutes } from './routes/registry.ts'
import { statsRoutes } from './routes/stats.ts'
import { createDatabase } from './sql/database.ts'
import { createStream } from './stream/create.ts'
import { invalid } from './validation.ts'

/**
 * The whole HTTP side as one function from Request to Response; it opens no socket.
 * @throws when FRONTEND_ORIGIN is not usable
 */
export function createApp(deps: Deps): OpenAPIHono<Env> {
  const { settings, pool, log, registry, lifecycle = { stopping: false }, now = Date.now } = deps
  const database = createDatabase(pool, settings.STATEMENT_TIMEOUT_MS)
  const metrics = deps.metrics ?? createApiMetrics(registry)
  metrics.sampled.pool = pool
  const limits = createLimits({ settings, pool, log, metrics })
  const { guard, sessions } = createAuth(deps, metrics, database, limits)

  const app = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.error, result.target === 'json' ? 'pointer' : 'parameter')
    },
  })
  app.onError(problemHandler(log))
  app.notFound((c) => respond(c, new Problem(404, 'There is nothing at this address.')))

  app.use(requestIds())
  app.use(readClient(settings.TRUSTED_PROXIES))
  app.use(observe(metrics, log, createPseudonyms(settings.LOG_HMAC_KEY)))
  app.use(closeWhenStopping(lifecycle))
  app.use(notStored())
  app.use(securityHeaders())
  app.use('/api/*', crossOrigin(settings))
  app.use(refuseOtherMethods(app))
  app.use(limitBodies())

  app.route('/', healthRoutes(database, limits, lifecycle))
  app.route('/', metricsRoutes(registry, guard))
  app.use('/api/*', guard.limited)
  app.route('/api/v1/anomalies', exportRoutes(database, log))
  app.route('/api/v1/anomalies', bulkRoutes(database))
  app.route('/api/v1/anomalies', anomalyRoutes(database))
  app.route('/api/v1/accounts', accountRoutes(database))
  app.route('/api/v1/stream', createStream(deps, metrics, database, guard))
  app.route('/api/v1/stats', statsRoutes(database, now))
  app.route('/api/v1', registryRoutes(database))
  addDocuments(app)
  app.route('/', pageRoutes({ database, guard, limits, sessions, settings, log }))
  nameRoutes(metrics, app.routes)
  return app
}
