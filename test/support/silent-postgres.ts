import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Scope } from '../harness.ts'

const AUTHENTICATED = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1')
const DONE = Buffer.from('C\0\0\0\x08SET\0Z\0\0\0\x05I', 'latin1')

/**
 * A server that lets a lane connect, and says nothing from its first COPY on.
 * @param onCopy is told of what comes from there on, as it comes
 * @returns the URL of its database; `closed` resolves when a connection has ended
 */
export async function silentPostgres(
  t: Scope,
  onCopy: (bytes: Buffer, socket: Socket) => unknown,
): Promise<{ url: string; closed: Promise<void> }> {
  const sockets = new Set<Socket>()
  const closed = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    sockets.add(socket)
    let isGreeted = false
    let isCopying = false
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      closed.resolve()
    })
    socket.on('data', (bytes) => {
      isCopying ||= bytes.includes('COPY ')
      if (isCopying) onCopy(bytes, socket)
      else {
        socket.write(isGreeted ? DONE : AUTHENTICATED)
        isGreeted = true
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `postgres://weir@127.0.0.1:${port}/weir`, closed: closed.promise }
}
