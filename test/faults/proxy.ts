import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Scope } from '../harness.ts'

export interface Proxy {
  port: number
  /** Connections that were cut. */
  cuts: number
  /** Resets the connections, as a router that forgets them would; `share` of them, by chance. */
  cut(random?: () => number, share?: number): void
  /** Resets the next connection on which the server sends so many bytes at once, when half of them have come through. */
  cutInside(bytes: number): void
  /** Refuses (and cuts) everything from now on, or no longer. */
  refuse(on: boolean): void
  /** Holds back everything that comes for so many milliseconds, each way. */
  delay(ms: number): void
}

/**
 * A way to a server that can be broken.
 * @param rewrite changes what comes from the server, keeping its length
 */
async function tcpProxy(
  t: Scope,
  target: { hostname: string; port: number },
  rewrite: (bytes: Buffer, ownPort: number) => Buffer = (bytes) => bytes,
): Promise<Proxy> {
  const pairs = new Set<Socket[]>()
  let refusing = false
  let delayMs = 0
  let cutFrom = Infinity
  let ownPort = 0
  const end = (pair: Socket[]) => {
    pairs.delete(pair)
    for (const socket of pair) socket.destroy()
  }
  const reset = (pair: Socket[]) => {
    proxy.cuts++
    for (const socket of pair) socket.resetAndDestroy()
    end(pair)
  }
  const server = createServer((client) => {
    if (refusing) return void client.destroy()
    const upstream = connect(target.port, target.hostname)
    const pair = [client, upstream]
    pairs.add(pair)
    const join = (from: Socket, to: Socket, change: (bytes: Buffer) => Buffer) => {
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (delayMs === 0) return void to.write(change(bytes))
        // Whoever sends must feel it: so nothing more is read until this has gone.
        from.pause()
        setTimeout(() => {
          if (!to.destroyed) to.write(change(bytes))
          from.resume()
        }, delayMs)
      })
      from.on('error', () => {})
      from.on('close', () => end(pair))
    }
    join(client, upstream, (bytes) => bytes)
    join(upstream, client, (bytes) => {
      const changed = rewrite(bytes, ownPort)
      if (changed.length < cutFrom) return changed
      cutFrom = Infinity
      setTimeout(() => reset(pair), 50) // not at once: the half must arrive
      upstream.pause()
      return changed.subarray(0, changed.length / 2)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ownPort = (server.address() as AddressInfo).port
  const proxy: Proxy = {
    port: ownPort,
    cuts: 0,
    cut(random = Math.random, share = 1) {
      for (const pair of [...pairs]) {
        if (random() >= share) continue
        reset(pair)
      }
    },
    cutInside(bytes) {
      cutFrom = bytes
    },
    refuse(on) {
      refusing = on
      if (on) proxy.cut()
    },
    delay(ms) {
      delayMs = ms
    },
  }
  t.after(() => {
    proxy.cut()
    server.close()
  })
  return proxy
}

/** The same for a URL's server: the URL by way of the proxy. */
export async function urlProxy(t: Scope, url: string): Promise<Proxy & { url: string }> {
  const { hostname, port } = new URL(url)
  const proxy = await tcpProxy(t, { hostname, port: Number(port) })
  const own = new URL(url)
  own.hostname = '127.0.0.1'
  own.port = String(proxy.port)
  return Object.assign(proxy, { url: own.href.replace(/\/$/, '') })
}

/**
 * The same for a broker. It tells its clients where to connect, so that place is rewritten in what it says: host
 * 127.0.0.1 as Kafka writes a string, followed by the port.
 */
export async function brokerProxy(t: Scope, address: string): Promise<Proxy & { address: string }> {
  const [hostname, port] = address.split(':')
  const place = (number: number) => {
    const bytes = Buffer.from(`\0\x09127.0.0.1\0\0\0\0`, 'latin1')
    bytes.writeInt32BE(number, bytes.length - 4)
    return bytes
  }
  const real = place(Number(port))
  const proxy = await tcpProxy(t, { hostname, port: Number(port) }, (bytes, ownPort) => {
    for (let at = bytes.indexOf(real); at !== -1; at = bytes.indexOf(real, at + 1))
      place(ownPort).copy(bytes, at)
    return bytes
  })
  return Object.assign(proxy, { address: `127.0.0.1:${proxy.port}` })
}
