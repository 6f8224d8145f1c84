import type { Context, MiddlewareHandler } from 'hono'
import type { Logger } from '../../schemas/log.ts'
import type { Caller, Env } from '../context.ts'
import type { Limits } from '../limits.ts'
import { Problem } from '../problems.ts'
import { clientAddress, requestSite } from './client.ts'
import type { Key, Keys } from './keys.ts'
import { requireScope } from './scopes.ts'
import type { Sessions } from './session.ts'

export interface Guard {
  /** Who calls, by key or session. @throws Problem 401 or 429 for a wrong key, Unavailable when the keys are not known */
  identify(c: Context<Env>): Promise<Caller | undefined>
  /** Tries a key. @throws Problem 429 after too many wrong ones from this address, 401 for a wrong one */
  tryKey(c: Context<Env>, presented: string): Promise<Key>
  /** Whether who opened a stream with this request may go on; false once the key or the session is not good any more. */
  stillMay(c: Context<Env>): Promise<boolean>
  /** For calls that count as read or write, for which the key must have the scope `read` or `triage`. */
  limited: MiddlewareHandler<Env>
  /** For the metrics, which are not counted. */
  unlimited: MiddlewareHandler<Env>
}

export function createGuard(keys: Keys, sessions: Sessions, limits: Limits, log: Logger): Guard {
  async function tryKey(c: Context<Env>, presented: string): Promise<Key> {
    const address = clientAddress(c)
    // Before the key is looked at: else the limit would not slow down a guesser.
    await limits.refuseExhausted('failure', address)
    const key = await keys.recognise(presented)
    if (key !== undefined) return key
    await limits.consume(c, 'failure', address)
    log.warn({ request_id: c.get('requestId'), address }, 'a wrong key was presented')
    throw unauthorized('This key is not known.')
  }

  async function identify(c: Context<Env>): Promise<Caller | undefined> {
    const key = presentedKey(c)
    return key === undefined ? sessions.read(c) : (await tryKey(c, key)).caller
  }

  return {
    identify,
    tryKey,
    async stillMay(c) {
      const key = presentedKey(c)
      return (await (key === undefined ? sessions.read(c) : keys.recognise(key))) !== undefined
    },
    async limited(c, next) {
      const caller = await identify(c)
      const kind = isRead(c) ? 'read' : 'write'
      await limits.consume(c, kind, caller?.bucket ?? `address:${clientAddress(c)}`)
      if (caller === undefined) throw unauthorized('Send the key in X-API-Key.')
      // A browser attaches the cookie by itself: only our own pages may make it write.
      if (caller.kind === 'session' && !isRead(c)) requireSameSite(c)
      c.set('caller', caller)
      requireScope(caller, isRead(c) ? 'read' : 'triage')
      await next()
    },
    async unlimited(c, next) {
      const caller = await identify(c)
      if (caller === undefined) throw unauthorized('Send the key in X-API-Key.')
      c.set('caller', caller)
      requireScope(caller, 'metrics')
      await next()
    },
  }
}

/** @throws Problem 403 unless the request comes from one of our own pages */
export function requireSameSite(c: Context<Env>): void {
  if (requestSite(c) !== 'same')
    throw new Problem(403, 'A session may only change something from the pages of this server.')
}

const isRead = (c: Context<Env>): boolean => c.req.method === 'GET' || c.req.method === 'HEAD'

function presentedKey(c: Context<Env>): string | undefined {
  const bearer = /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')
  return c.req.header('x-api-key') ?? bearer?.[1]
}

const unauthorized = (detail: string): Problem =>
  new Problem(401, detail, { headers: { 'WWW-Authenticate': 'Bearer realm="weir"' } })
