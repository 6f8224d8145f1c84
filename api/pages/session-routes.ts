import { Hono } from 'hono'
import { requestSite } from '../auth/client.ts'
import { type Guard, requireSameSite } from '../auth/guard.ts'
import { requireScope } from '../auth/scopes.ts'
import { loginRefusal, type Sessions } from '../auth/session.ts'
import type { Env } from '../context.ts'
import { Problem } from '../problems.ts'
import { formOf } from '../validation.ts'
import { loginForm } from './forms.ts'
import { loginPage } from './login.ts'

/** Logging in with a key, and out. */
export function sessionRoutes(guard: Guard, sessions: Sessions, production: boolean): Hono<Env> {
  const routes = new Hono<Env>()

  routes.post('/login', async (c) => {
    const refusal = loginRefusal(c, production)
    if (refusal !== undefined) return c.html(loginPage({ refusal }), 403)
    if (requestSite(c) === 'cross') throw new Problem(403, 'Log in from the page of this server.')
    const { key } = await formOf(c, loginForm)
    try {
      const known = await guard.tryKey(c, key)
      requireScope(known.caller, 'read')
      sessions.begin(c, known)
    } catch (error) {
      if (error instanceof Problem && (error.status === 401 || error.status === 403))
        return c.html(loginPage({ fault: error.message }), error.status)
      throw error
    }
    return c.redirect('/', 303)
  })

  routes.post('/logout', (c) => {
    requireSameSite(c)
    sessions.end(c)
    return c.redirect('/', 303)
  })

  return routes
}
