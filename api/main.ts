import type { Server } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as setTimeoutAsync } from 'node:timers/promises'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { observeCertificates } from '../schemas/certificates.ts'
import { createPool } from '../schemas/database.ts'
import type { Logger } from '../schemas/log.ts'
import { isLoopback } from '../schemas/loopback.ts'
import { createApp } from './app.ts'
import { listenForKeys } from './auth/key-news.ts'
import type { ApiSettings } from './context.ts'
import { createApiMetrics } from './metrics.ts'
import { createHttpServer, type ServerBounds } from './server.ts'
import { readTls, reloadTls } from './tls.ts'
import { watchDatabase } from './watch.ts'

export interface RunningApi {
  url: string
  port: number
  /** Turns readiness off, lets running requests finish, closes the rest. Twice does no harm. */
  stop(): Promise<void>
}

/**
 * Serves the API on HOST:PORT. The database need not be there yet: until it is, /health/ready says 503.
 * @throws when the port is taken or not allowed, naming the setting
 */
export async function startApi({
  settings,
  log,
  bounds,
}: {
  settings: ApiSettings
  log: Logger
  /** Other bounds on clients than the usual ones, for tests. */
  bounds?: ServerBounds
}): Promise<RunningApi> {
  const tls = readTls(settings)
  warnOfPlainHttp(settings, tls !== undefined, log)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  observeCertificates(registry, settings)
  const metrics = createApiMetrics(registry)
  const ending = new AbortController()
  const lifecycle = { stopping: false, signal: ending.signal }
  const pool = createPool(
    {
      connectionString: settings.DATABASE_URL,
      application_name: 'weir-api',
      statementTimeoutMs: settings.STATEMENT_TIMEOUT_MS,
      size: settings.DATABASE_POOL_SIZE,
    },
    log,
  )
  let keysChanged = () => {}
  const onKeyNews = (changed: () => void) => {
    keysChanged = changed
  }
  const app = createApp({ settings, pool, log, registry, metrics, lifecycle, onKeyNews })
  const server = createHttpServer(app.fetch, tls, bounds)
  const port = await listen(server, settings)
  listenForKeys(settings.DATABASE_URL, () => keysChanged(), log, ending.signal)
  watchDatabase({
    connectionString: settings.DATABASE_URL,
    auditVerifyHours: settings.AUDIT_VERIFY_HOURS,
    metrics,
    log,
    signal: ending.signal,
  })
  const endReload = tls ? reloadTls(server as unknown as TlsServer, settings, log) : () => {}
  const host = settings.HOST.includes(':') ? `[${settings.HOST}]` : settings.HOST
  const url = `${tls ? 'https' : 'http'}://${host}:${port}`
  log.info({ url }, 'the API listens')

  let stopped: Promise<void> | undefined
  return { url, port, stop: () => (stopped ??= stop()) }

  async function stop(): Promise<void> {
    lifecycle.stopping = true
    endReload()
    // Whoever sends requests here has to see that it is not ready, before it would find nobody.
    await setTimeoutAsync(settings.SHUTDOWN_DRAIN_SECONDS * 1000)
    const closed = new Promise((resolve) => server.close(resolve))
    ending.abort()
    const timer = setTimeout(() => server.closeAllConnections(), settings.SHUTDOWN_SECONDS * 800)
    await closed
    clearTimeout(timer)
    // A database that does not answer never confirms the end of a connection.
    await Promise.race([
      pool.end(),
      setTimeoutAsync(settings.SHUTDOWN_SECONDS * 100, undefined, { ref: false }),
    ])
    log.info('the API stopped')
  }
}

/** A proxy of ours may well end TLS: then TRUSTED_PROXIES is set, since nobody could log in without. */
function warnOfPlainHttp(
  { HOST, NODE_ENV, TRUSTED_PROXIES }: ApiSettings,
  hasTls: boolean,
  log: Logger,
): void {
  if (NODE_ENV !== 'production' || hasTls || TRUSTED_PROXIES > 0 || isLoopback(HOST)) return
  log.warn(
    { host: HOST },
    'HOST lets others call over plain http, who send their keys readable: set TLS_CERT_FILE and TLS_KEY_FILE, or put a ' +
      'proxy with TLS before the API and say so by TRUSTED_PROXIES',
  )
}

/** @returns the port that was taken, which PORT 0 leaves to the system */
function listen(server: Server, { HOST, PORT }: ApiSettings): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new Error(listenFault(cause.code, HOST, PORT) ?? cause.message, { cause })),
    )
    server.listen(PORT, HOST, () => resolve((server.address() as AddressInfo).port))
  })
}

function listenFault(code: string | undefined, host: string, port: number): string | undefined {
  if (code === 'EADDRINUSE')
    return `PORT: ${port} on ${host} is taken; stop what uses it, or set another PORT (0 = any free port)`
  if (code === 'EACCES') return `PORT: ${port} may not be used by this user; set one from 1024 up`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `HOST: ${host} is no address of this machine; 127.0.0.1 is, and 0.0.0.0 means all of them`
  return undefined
}
