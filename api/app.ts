import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { requestId } from 'hono/request-id'
import { createGuard } from './auth/guard.ts'
import { createKeys } from './auth/keys.ts'
import { observeKeys } from './auth/observe-keys.ts'
import { createSessions } from './auth/session.ts'
import { createStoredKeys } from './auth/stored-keys.ts'
import type { Deps, Env } from './context.ts'
import { crossOrigin, securityHeaders } from './headers.ts'
import { createLimits } from './limits.ts'
import { observe, observePool } from './observe.ts'
import { pageRoutes } from './pages/routes.ts'
import { Problem, problemHandler, respond } from './problems.ts'
import { accountRoutes } from './routes/accounts.ts'
import { anomalyRoutes } from './routes/anomalies.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { createDatabase } from './sql/database.ts'

const MAX_BODY_BYTES = 64 * 1024

/**
 * The whole HTTP side as one function from Request to Response; it opens no socket.
 * @throws when FRONTEND_ORIGIN is not usable
 */
export function createApp(deps: Deps): Hono<Env> {
  const { settings, pool, log, registry, lifecycle = { stopping: false }, now = Date.now } = deps
  const production = settings.NODE_ENV === 'production'
  const database = createDatabase(pool, settings.STATEMENT_TIMEOUT_MS)
  const limits = createLimits(settings)
  const storedKeys = createStoredKeys(database.query, log, now)
  deps.onKeyNews?.(storedKeys.changed)
  const keys = createKeys(settings.API_KEY, storedKeys)
  const sessions = createSessions(keys, production, now)
  const guard = createGuard(keys, sessions, limits, log)
  const crossOriginCalls = crossOrigin(settings)
  observePool(registry, pool)
  observeKeys(registry, storedKeys)

  const app = new Hono<Env>()
  app.onError(problemHandler(log))
  app.notFound((c) => respond(c, new Problem(404, 'There is nothing at this address.')))

  app.use(requestId({ limitLength: 128 }))
  app.use(observe(registry, log))
  app.use(async function closeWhenStopping(c, next) {
    await next()
    if (lifecycle.stopping) c.header('Connection', 'close')
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store')
  })
  app.use(securityHeaders())
  if (crossOriginCalls) app.use('/api/*', crossOriginCalls)
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allow = methods.join(', ')
        return respond(c, new Problem(405, `Only ${allow} here.`, { headers: { Allow: allow } }))
      },
    }),
  )
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new Problem(413, `The body is larger than ${MAX_BODY_BYTES} bytes.`)
      },
    }),
  )

  app.route('/', healthRoutes(database, limits, lifecycle))
  app.route('/', metricsRoutes(registry, guard))
  app.use('/api/*', guard.limited)
  app.route('/api/v1/anomalies', anomalyRoutes(database))
  app.route('/api/v1/accounts', accountRoutes(database))
  app.route(
    '/',
    pageRoutes({
      database,
      guard,
      limits,
      sessions,
      log,
      production,
      statementTimeoutMs: settings.STATEMENT_TIMEOUT_MS,
    }),
  )
  return app
}
