import type { MiddlewareHandler } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import type { Env } from './context.ts'
import { Problem, respond } from './problems.ts'

type App = Parameters<typeof methodNotAllowed<Env>>[0]['app']

/** Answers other methods than an address has with 405 and those that it has, and OPTIONS with these alone. */
export const refuseOtherMethods = (app: App): MiddlewareHandler<Env> =>
  methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) => {
      const allow = exactly(app, c.req.path, methods).join(', ')
      if (c.req.method === 'OPTIONS') return c.body(null, 204, { Allow: `${allow}, OPTIONS` })
      return respond(c, new Problem(405, `Only ${allow} here.`, { headers: { Allow: allow } }))
    },
  })

/** A path that is written out has its own methods, though an id might be called the same: /anomalies/export. */
function exactly(app: App, path: string, methods: string[]): string[] {
  const own = app.routes.filter((route) => route.path === path && route.method !== 'ALL')
  if (own.length === 0) return methods
  return [...new Set(own.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))]
}
