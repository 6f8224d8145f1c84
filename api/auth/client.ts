import { isIPv6 } from 'node:net'
import type { Context } from 'hono'
import type { Env } from '../context.ts'

/**
 * The address that limits are counted under: the peer of the connection. An IPv6 client has a /64 of addresses
 * to itself, so that is what is counted.
 */
export function clientAddress(c: Context<Env>): string {
  const address = c.env?.incoming?.socket.remoteAddress ?? 'unknown'
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped) return mapped[1]
  return isIPv6(address) ? network64(address) : address
}

function network64(address: string): string {
  const [head, tail] = address.split('%')[0].split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail ? tail.split(':') : []
  if (tail !== undefined) groups.push(...Array<string>(8 - groups.length - rest.length).fill('0'), ...rest)
  return `${groups
    .slice(0, 4)
    .map((g) => Number.parseInt(g, 16).toString(16))
    .join(':')}::/64`
}

/** The origin of this server as the browser sees it: a proxy that ends TLS says so in X-Forwarded-Proto. */
export function publicOrigin(c: Context<Env>): URL {
  const url = new URL(c.req.url)
  // A client that lies here only gets a cookie that its browser will not keep.
  if (c.req.header('x-forwarded-proto') === 'https') url.protocol = 'https:'
  return url
}

export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname)

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
