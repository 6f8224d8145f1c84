import { isIP, isIPv6, SocketAddress } from 'node:net'

/**
 * What proxies say of who is behind them. Each one adds the address that it saw at the right end of
 * X-Forwarded-For, so the last of `proxies` entries, counted from the right, is what the outermost of ours saw.
 * All to the left of it came from outside and may be forged.
 */

/**
 * The client's address, in its shortest form.
 * @param peer the other end of the connection
 * @param header X-Forwarded-For as it came
 * @param proxies how many of our own stand before this process; 0 = the header is never believed
 */
export function forwardedAddress(peer: string, header: string | undefined, proxies: number): string {
  const entries = proxies === 0 || header === undefined ? [] : header.split(',')
  const ours = entries.slice(-proxies).map(addressOf)
  // What is no address was not written by a proxy of ours: then the nearest one that is known counts.
  const forged = ours.lastIndexOf(undefined)
  return ours.slice(forged + 1)[0] ?? addressOf(peer) ?? 'unknown'
}

/** Whether the outermost proxy of ours was asked by https. Those behind it add to the list, or leave it alone. */
export function isForwardedHttps(header: string | undefined, proxies: number): boolean {
  if (proxies === 0 || header === undefined) return false
  return header.split(',').slice(-proxies)[0].trim().toLowerCase() === 'https'
}

/** An address as some proxies write it, too: with a port, an IPv6 one in brackets; undefined when it is none. */
function addressOf(entry: string): string | undefined {
  const text = entry.trim()
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? []
  const [, before] = /^([\d.]+):\d+$/.exec(text) ?? []
  const address = (bracketed ?? before ?? text).split('%')[0]
  if (isIP(address) === 0) return undefined
  if (!isIPv6(address)) return address
  const short = new SocketAddress({ address, family: 'ipv6' }).address
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(short)?.[1] ?? short
}
