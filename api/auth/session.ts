import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Caller, Env } from '../context.ts'
import { isLoopback, publicOrigin } from './client.ts'

/**
 * Sessions of the pages: a signed cookie `expiry.id.signature` and nothing stored, so that every replica knows
 * every session. The signing key is derived from the API key: a new key ends all sessions. Logging out deletes
 * the cookie in the browser; a stolen copy lives until its expiry.
 */
export interface Sessions {
  /** @returns false when the connection is not one that a session may travel over */
  begin(c: Context<Env>): boolean
  read(c: Context<Env>): Caller | undefined
  end(c: Context<Env>): void
}

const SESSION_SECONDS = 12 * 3600
const COOKIE = { path: '/', httpOnly: true, sameSite: 'Strict' } as const

export function createSessions(apiKey: string, production: boolean, now: () => number): Sessions {
  const signingKey = createHmac('sha256', apiKey).update('weir: session cookie, version 1').digest()
  const sign = (text: string) => createHmac('sha256', signingKey).update(text).digest()

  return {
    begin(c) {
      const cookie = cookieFor(c, production)
      if (cookie === undefined) return false
      const content = `${now() + SESSION_SECONDS * 1000}.${randomBytes(12).toString('base64url')}`
      const value = `${content}.${sign(content).toString('base64url')}`
      setCookie(c, cookie.name, value, { ...COOKIE, secure: cookie.secure, maxAge: SESSION_SECONDS })
      return true
    },
    read(c) {
      const cookie = cookieFor(c, production)
      const value = cookie && getCookie(c, cookie.name)
      const parts = value?.split('.')
      if (parts?.length !== 3) return undefined
      const [expiry, id, signature] = parts
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(`${expiry}.${id}`)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
      if (Number(expiry) <= now()) return undefined
      return { kind: 'session', bucket: `session:${id}`, actor: `API_KEY, session ${id.slice(0, 8)}` }
    },
    end(c) {
      const cookie = cookieFor(c, production)
      if (cookie) deleteCookie(c, cookie.name, { ...COOKIE, secure: cookie.secure })
    },
  }
}

/** `__Host-weir` over https; `weir` over plain http on this machine outside production; else no cookie at all. */
function cookieFor(c: Context<Env>, production: boolean): { name: string; secure: boolean } | undefined {
  const origin = publicOrigin(c)
  if (origin.protocol === 'https:') return { name: '__Host-weir', secure: true }
  return !production && isLoopback(origin.hostname) ? { name: 'weir', secure: false } : undefined
}

/** Why a login is refused on this connection; undefined when it is not. */
export function loginRefusal(c: Context<Env>, production: boolean): string | undefined {
  if (cookieFor(c, production) !== undefined) return undefined
  return production
    ? 'This page is reached over plain http. In production the key and the session may only travel over https: open the page by its https address.'
    : 'This page is reached over plain http from another machine, where the key could be read on its way. Use https, or open it on the machine itself as http://localhost.'
}
