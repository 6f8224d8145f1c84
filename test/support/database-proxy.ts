import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Scope } from '../harness.ts'

/**
 * Looks at the bytes on the way; returns whether they go on, or the connection is cut instead: before them, or when so
 * many of them have gone on.
 */
type Watch = (bytes: Buffer, connection: Connection) => 'pass' | 'cut' | number

export interface Connection {
  /** The proxy's own port, which the server knows as `client_port`. */
  readonly port: number
  /** What the transaction that was asked for last is to do to the positions. */
  asked: AskedMove[]
}

/** An argument of move_positions. */
export interface AskedMove {
  partition: number
  expected: number
  next_offset: number
  stored: number
}

/** Whether a lane has sent its last row: from then on PostgreSQL commits by itself. */
export const endsRows = (bytes: Buffer): boolean => bytes.subarray(-COPY_DONE.length).equals(COPY_DONE)

export const COPY_DONE = Buffer.from('c\0\0\0\x04', 'latin1')

/**
 * Whether the server tells of the last statement of a lane's transaction. It has committed by then
 * (exec_simple_query in src/backend/tcop/postgres.c); what it told before, that it takes rows, says nothing of that.
 */
export const tellsOfCommit = (bytes: Buffer): boolean => bytes.includes(CALLED)

const CALLED = Buffer.from('C\0\0\0\x09CALL\0', 'latin1')

function movesIn(bytes: Buffer): AskedMove[] | null {
  const call = bytes.indexOf('CALL move_positions(')
  if (call === -1) return null
  const [list] = /\[.*?\]/.exec(bytes.toString('utf8', call, bytes.indexOf(0, call))) ?? []
  return list === undefined ? null : JSON.parse(list)
}

/** What to look at in each direction; nothing by default. */
export interface Way {
  toServer?: Watch
  toClient?: Watch
  /** Awaited when what may go on has gone, before the cut. */
  atCut?: (connection: Connection) => Promise<unknown>
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
    const connection: Connection = {
      get port() {
        return upstream.localPort!
      },
      asked: [],
    }
    let isCut = false
    const cut = async (from: Socket, to: Socket, last: Buffer) => {
      isCut = true
      if (last.length > 0) to.write(last)
      await way.atCut?.(connection)
      proxy.cuts++
      from.destroy()
      to.end() // not destroyed: what was forwarded arrives
    }
    const join = (from: Socket, to: Socket, watch: Watch = () => 'pass') => {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (frozen || isCut) return
        if (from === client) connection.asked = movesIn(bytes) ?? connection.asked
        const verdict = watch(bytes, connection)
        if (verdict === 'pass') to.write(bytes)
        else cut(from, to, bytes.subarray(0, verdict === 'cut' ? 0 : verdict))
      })
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        if (!frozen && !isCut) to.destroy()
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
