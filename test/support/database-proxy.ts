import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Scope } from '../harness.ts'

/** Looks at the messages on the way; returns whether they go on, or the connection is cut instead. */
type Watch = (bytes: Buffer, connection: Connection) => 'pass' | 'cut'

interface Connection {
  /** For a watcher to remember what it saw on this connection. */
  seen: Set<string>
}

/** Whether a lane has sent its last row: from then on PostgreSQL commits by itself. */
export const endsRows = (bytes: Buffer): boolean => bytes.subarray(-COPY_DONE.length).equals(COPY_DONE)

const COPY_DONE = Buffer.from('c\0\0\0\x04', 'latin1')

/** What to look at in each direction; nothing by default. */
export interface Way {
  toServer?: Watch
  toClient?: Watch
}

export interface DatabaseProxy {
  /** The database's URL, by way of the proxy. */
  url: string
  /** Connections that were cut. */
  cuts: number
  /** From now on nothing goes through, either way, and no connection ends: a server that does not answer. */
  freeze(): void
}

/** A connection to PostgreSQL that can be cut or can fall silent at a chosen message. */
export async function databaseProxy(t: Scope, databaseUrl: string, way: Way = {}): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let frozen = false
  const proxy: DatabaseProxy = {
    url: '',
    cuts: 0,
    freeze() {
      frozen = true
    },
  }

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const connection: Connection = { seen: new Set() }
    const join = (from: Socket, to: Socket, watch: Watch = () => 'pass') => {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (frozen) return
        if (watch(bytes, connection) === 'pass') to.write(bytes)
        else {
          proxy.cuts++
          client.destroy()
          upstream.destroy()
        }
      })
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        if (!frozen) to.destroy()
      })
    }
    join(client, upstream, way.toServer)
    join(upstream, client, way.toClient)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  proxy.url = url.href
  return proxy
}
