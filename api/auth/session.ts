import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { isLoopback } from '../../schemas/loopback.ts'
import type { Caller, Env } from '../context.ts'
import { publicOrigin } from './client.ts'
import type { Key, Keys } from './keys.ts'

/**
 * Sessions of the pages: a signed cookie `expiry.key.id.signature` and nothing stored, so that every replica knows
 * every session. It names the key that began it, may do what that key may, and ends with it: each key has a signing
 * key of its own, and one that is revoked or expired has none any more. Logging out deletes the cookie in the
 * browser; a stolen copy lives until its expiry.
 */
export interface Sessions {
  /** @returns false when the connection is not one that a session may travel over */
  begin(c: Context<Env>, key: Key): boolean
  /** @throws Unavailable when it is of a key of the table and the keys could not be read for too long */
  read(c: Context<Env>): Promise<Caller | undefined>
  end(c: Context<Env>): void
}

const SESSION_SECONDS = 12 * 3600
const COOKIE = { path: '/', httpOnly: true, sameSite: 'Strict' } as const

export function createSessions(keys: Keys, production: boolean, now: () => number): Sessions {
  return {
    begin(c, key) {
      const cookie = cookieFor(c, production)
      if (cookie === undefined) return false
      const content = `${now() + SESSION_SECONDS * 1000}.${key.id}.${randomBytes(12).toString('base64url')}`
      const value = `${content}.${sign(key, content).toString('base64url')}`
      setCookie(c, cookie.name, value, { ...COOKIE, secure: cookie.secure, maxAge: SESSION_SECONDS })
      return true
    },
    async read(c) {
      const cookie = cookieFor(c, production)
      const value = cookie && getCookie(c, cookie.name)
      const parts = value?.split('.')
      if (parts?.length !== 4) return undefined
      const [expiry, keyId, id, signature] = parts
      const key = await keys.find(keyId)
      if (key === undefined) return undefined
      const given = Buffer.from(signature, 'base64url')
      const expected = sign(key, `${expiry}.${keyId}.${id}`)
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
      if (Number(expiry) <= now()) return undefined
      return {
        ...key.caller,
        kind: 'session',
        bucket: `session:${id}`,
        actor: `${key.caller.actor}, session ${id.slice(0, 8)}`,
      }
    },
    end(c) {
      const cookie = cookieFor(c, production)
      if (cookie) deleteCookie(c, cookie.name, { ...COOKIE, secure: cookie.secure })
    },
  }
}

const sign = (key: Key, text: string): Buffer => createHmac('sha256', key.sessionKey).update(text).digest()

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
