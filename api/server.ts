import { createServer, type Server, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'

/** What a client may take, so that slow and greedy ones cannot keep the process from others. */
const BOUNDS = {
  /** Milliseconds until a request's headers, and until all of it, must be here; looked at every two seconds. */
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  /** Outlasts the usual 60 s of a proxy, so that it never reuses a connection that is closed here. */
  keepAliveTimeout: 65_000,
  /** Bytes of all headers together. */
  maxHeaderSize: 16 * 1024,
  /** One without Host is refused below, as a problem. */
  requireHostHeader: false,
}
/** Milliseconds that a connection may stay without a byte in either direction, while an answer is sent, too. */
const IDLE_MS = 120_000
const MAX_CONNECTIONS = 10_000

export type ServerBounds = Partial<typeof BOUNDS>

/** Certificate and key as PEM. */
export interface TlsFiles {
  cert: Buffer
  key: Buffer
}

/**
 * A server that hands its requests to the app, not yet listening. What never becomes a request is answered here.
 * @param tls for https; undefined for http
 * @throws when certificate and key do not belong together
 */
export function createHttpServer(
  fetch: Parameters<typeof getRequestListener>[0],
  tls?: TlsFiles,
  bounds: ServerBounds = {},
): Server {
  const options = { ...BOUNDS, ...bounds }
  const listener = getRequestListener(fetch, {
    // An address or a Host header that is no URL; everything else is the app's.
    errorHandler: () => new Response(problem(400), { status: 400, headers: HEADERS }),
  })
  const server = tls
    ? (createTlsServer({ ...options, ...tls, minVersion: 'TLSv1.2' }, listener) as unknown as Server)
    : createServer(options, listener)
  server.timeout = IDLE_MS
  server.maxConnections = MAX_CONNECTIONS
  server.on('clientError', refuse)
  return server
}

const HEADERS = {
  'Content-Type': 'application/problem+json',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
}

const problem = (status: number): string =>
  JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status })

const STATUS_OF: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** Answers what is no HTTP, too large or too slow, and closes the connection. */
function refuse(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: { _headerSent?: boolean } },
): void {
  // An answer that has begun cannot become another one.
  if (!socket.writable || error.code === 'ECONNRESET' || socket._httpMessage?._headerSent) {
    socket.destroy()
    return
  }
  const status = STATUS_OF[error.code ?? ''] ?? 400
  const body = problem(status)
  const headers = { ...HEADERS, Connection: 'close', 'Content-Length': String(body.length) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  )
}
