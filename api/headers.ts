import { randomUUID } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { withoutSecrets } from '../schemas/error-fields.ts'
import type { Settings } from '../schemas/settings.ts'
import type { Env, Lifecycle } from './context.ts'

/** No inline script or style anywhere, nobody may frame the pages, and no address leaks to other sites. */
export const securityHeaders = (): MiddlewareHandler =>
  secureHeaders({
    // A page may set its own policy.
    overwrite: false,
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
    strictTransportSecurity: 'max-age=31536000',
    xFrameOptions: 'DENY',
    referrerPolicy: 'no-referrer',
    permissionsPolicy: { camera: [], geolocation: [], microphone: [] },
  })

/**
 * Gives each request an id, which its log lines and its answer have: the caller's own from X-Request-Id, if it is up to
 * 128 harmless characters and does not look like a key or the number of a card, else a new one.
 */
export const requestIds = (): MiddlewareHandler<Env> =>
  async function requestIds(c, next) {
    const given = c.req.header('x-request-id') ?? ''
    const kept = /^[\w=-]{1,128}$/.test(given) && withoutSecrets(given) === given
    const id = kept ? given : randomUUID()
    c.set('requestId', id)
    c.header('X-Request-Id', id)
    await next()
  }

/** While the process stops, connections are closed behind their answers. */
export const closeWhenStopping = (lifecycle: Lifecycle): MiddlewareHandler<Env> =>
  async function closeWhenStopping(c, next) {
    await next()
    if (lifecycle.stopping) c.header('Connection', 'close')
  }

/** Nobody stores an answer that does not say for how long. */
export const notStored = (): MiddlewareHandler<Env> =>
  async function notStored(c, next) {
    await next()
    // Not c.header, which would make the answer anew.
    if (!c.res.headers.has('Cache-Control')) c.res.headers.set('Cache-Control', 'no-store')
  }

/**
 * Lets pages of the origins in FRONTEND_ORIGIN call the API with a key; never with a cookie. Where none is set browsers
 * keep other origins out.
 * @throws when FRONTEND_ORIGIN is not a list of origins, or `*` in production
 */
export function crossOrigin(settings: Settings): MiddlewareHandler<Env> {
  if (!settings.FRONTEND_ORIGIN) return (_, next) => next()
  const origins = settings.FRONTEND_ORIGIN.split(',').map((entry) => originOf(entry.trim()))
  const any = origins.includes('*')
  if (any && settings.NODE_ENV === 'production')
    throw new Error('FRONTEND_ORIGIN: got "*", which production refuses; list the origins, by commas')
  return cors({
    origin: any ? '*' : origins,
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT'],
    allowHeaders: ['Content-Type', 'X-API-Key', 'Authorization', 'If-Match', 'Last-Event-ID', 'X-Request-Id'],
    exposeHeaders: ['ETag', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'],
    maxAge: 600,
  })
}

function originOf(entry: string): string {
  if (entry === '*') return entry
  if (/^https?:\/\//.test(entry) && URL.canParse(entry)) {
    const url = new URL(entry)
    if (url.pathname === '/' && url.search === '' && url.hash === '') return url.origin
  }
  throw new Error(
    `FRONTEND_ORIGIN: got ${JSON.stringify(entry)}; expected origins such as https://fraud.example.com, by commas`,
  )
}
