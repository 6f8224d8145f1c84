import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
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
import { invalid } from './parameters.ts'
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

const MAX_BODY_BYTES = 64 * 1024
/** A thousand ids with their times and versions. */
const MAX_BULK_BYTES = 256 * 1024
const BULK_PATH = '/api/v1/anomalies/status'

/**
 * The whole HTTP side as one function from Request to Response; it opens no socket.
 * @throws when FRONTEND_ORIGIN is not usable
 */
export function createApp(deps: Deps): OpenAPIHono<Env> {
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

  const app = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.error, result.target === 'json' ? 'pointer' : 'parameter')
    },
  })
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
        const allow = exactly(app, c.req.path, methods).join(', ')
        if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: `${allow}, OPTIONS` })
        return respond(c, new Problem(405, `Only ${allow} here.`, { headers: { Allow: allow } }))
      },
    }),
  )
  app.use(limitBody(({ req }) => (req.path === BULK_PATH ? MAX_BULK_BYTES : MAX_BODY_BYTES)))

  app.route('/', healthRoutes(database, limits, lifecycle))
  app.route('/', metricsRoutes(registry, guard))
  app.use('/api/*', guard.limited)
  app.route('/api/v1/anomalies', exportRoutes(database, log))
  app.route('/api/v1/anomalies', bulkRoutes(database))
  app.route('/api/v1/anomalies', anomalyRoutes(database))
  app.route('/api/v1/accounts', accountRoutes(database))
  app.route('/api/v1/stream', createStream(deps, database, guard))
  app.route('/api/v1/stats', statsRoutes(database, now))
  app.route('/api/v1', registryRoutes(database))
  addDocuments(app)
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

function limitBody(bytesOf: (c: Context<Env>) => number): MiddlewareHandler<Env> {
  return (c, next) => {
    const maxSize = bytesOf(c)
    const onError = () => {
      throw new Problem(413, `The body is larger than ${maxSize} bytes.`)
    }
    return bodyLimit({ maxSize, onError })(c, next)
  }
}

/** A path that is written out has its own methods, though an id might be called the same: /anomalies/export. */
function exactly(app: OpenAPIHono<Env>, path: string, methods: string[]): string[] {
  const own = app.routes.filter((route) => route.path === path && route.method !== 'ALL')
  if (own.length === 0) return methods
  return [...new Set(own.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))]
}
