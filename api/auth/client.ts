import { isIPv6 } from 'node:net'
import type { Context, MiddlewareHandler } from 'hono'
import type { Env } from '../context.ts'
import { forwardedAddress, isForwardedHttps } from './forwarded.ts'

/**
 * Finds out once a request who the client is, which everything behind it asks by {@link clientAddress} and
 * {@link publicOrigin}.
 * @param proxies TRUSTED_PROXIES
 */
export const readClient = (proxies: number): MiddlewareHandler<Env> =>
  async function readClient(c, next) {
    const peer = c.env?.incoming?.socket.remoteAddress ?? ''
    const address = forwardedAddress(peer, c.req.header('x-forwarded-for'), proxies)
    c.set('client', { address, https: isForwardedHttps(c.req.header('x-forwarded-proto'), proxies) })
    await next()
  }

/**
 * The address that limits are counted under: the peer of the connection, or who it is behind our own proxies. An
 * IPv6 client has a /64 of addresses to itself, so that is what is counted.
 */
export function clientAddress(c: Context<Env>): string {
  const { address } = c.get('client')
  return isIPv6(address) ? network64(address) : address
}

function network64(address: string): string {
  const [head, tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail ? tail.split(':') : []
  if (tail !== undefined) groups.push(...Array<string>(8 - groups.length - rest.length).fill('0'), ...rest)
  return `${groups
    .slice(0, 4)
    .map((g) => Number.parseInt(g, 16).toString(16))
    .join(':')}::/64`
}

/** The origin of this server as the browser sees it: a proxy of ours that ends TLS says so in X-Forwarded-Proto. */
export function publicOrigin(c: Context<Env>): URL {
  const url = new URL(c.req.url)
  if (c.get('client').https) url.protocol = 'https:'
  return url
}

/**
 * Whether a browser sent the request from one of our own pages: `unknown` when it tells neither (no browser, or
 * an old one). Sec-Fetch-Site decides where it is sent, since Origin is `null` under our Referrer-Policy.
 */
export function requestSite(c: Context<Env>): 'same' | 'cross' | 'unknown' {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin' ? 'same' : 'cross'
  const origin = c.req.header('origin')
  if (origin === undefined) return 'unknown'
  return origin === publicOrigin(c).origin ? 'same' : 'cross'
}
