import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { createPseudonyms } from '../schemas/pseudonyms.ts'
import { readClient } from './auth/client.ts'
import { createGuard } from './auth/guard.ts'
import { createKeys } from './auth/keys.ts'
import { observeKeys } from './auth/observe-keys.ts'
import { createSessions } from './auth/session.ts'
import { createStoredKeys } from './auth/stored-keys.ts'
import type { Deps, Env } from './context.ts'
import { crossOrigin, requestIds, securityHeaders } from './headers.ts'
import { createLimits } from './limits.ts'
import { observe, observePool } from './observe.ts'
import { pageRoutes } from './pages/routes.ts'
import { Problem, problemHandler, respond } from './problems.ts'
import { accountRoutes } from './routes/accounts.ts'
import { anomalyRoutes } from './routes/anomalies.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { createDatabase } from './sql/database.ts'
import { createStream } from './stream/create.ts'

const MAX_BODY_BYTES = 64 * 1024

/**
 * The whole HTTP side as one function from Request to Response; it opens no socket.
 * @throws when FRONTEND_ORIGIN is not usable
 */
export function createApp(deps: Deps): Hono<Env> {
  const { settings, pool, log, registry, lifecycle = { stopping: false }, now = Date.now } = deps
  const production = settings.NODE_ENV === 'production'
  const database = createDatabase(pool, settings.STATEMENT_TIMEOUT_MS)
  const limits = createLimits({ settings, pool, log, registry })
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

  app.use(requestIds())
  app.use(readClient(settings.TRUSTED_PROXIES))
  app.use(observe(registry, log, createPseudonyms(settings.LOG_HMAC_KEY)))
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
        if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: `${allow}, OPTIONS` })
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
  app.route('/api/v1/stream', createStream(deps, database, guard))
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
