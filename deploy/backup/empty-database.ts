import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Guardian } from '../local/guardian-client.ts'
import { newPassword, type PostgresServer, startPostgres } from '../local/postgres.ts'
import { withDatabase } from './connection.ts'
import { connected } from './server.ts'

/** An empty database to try a restore in, which is gone afterwards however the work ends. */

const DROP_TRIES = 20
const DROP_AGAIN_MS = 500

/**
 * The database of a PostgreSQL of our own, on this machine. Its data are in the temporary directory (TMPDIR), readable by
 * one user only, until it ends; it ends with this process, however that ends.
 */
export async function onTemporaryServer<T>(
  signal: AbortSignal,
  use: (databaseUrl: string) => Promise<T>,
): Promise<T> {
  const guardian = await Guardian.start(null)
  const close = () => void guardian.close()
  signal.addEventListener('abort', close)
  try {
    signal.throwIfAborted()
    const server = await startServer(guardian)
    return await use(server.url)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', close)
    await guardian.close()
  }
}

const startServer = (guardian: Guardian): Promise<PostgresServer> =>
  startPostgres({ guardian, ports: undefined, password: newPassword(), onEnd: () => {} }).catch((cause) => {
    throw new Error(
      `no PostgreSQL could be started here to restore into: ${cause.message} (--into names a server of yours)`,
      { cause },
    )
  })

/**
 * A database made for this on somebody's server, and dropped afterwards.
 * @param serverUrl any database of it; the role may make databases
 */
export async function onServer<T>(serverUrl: string, use: (databaseUrl: string) => Promise<T>): Promise<T> {
  const name = `weir_verify_${randomBytes(6).toString('hex')}`
  await run(
    serverUrl,
    `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'`,
  )
  try {
    return await use(withDatabase(serverUrl, name))
  } finally {
    await drop(serverUrl, name)
  }
}

/** An autovacuum worker may be at it, which only a superuser may end: it is over in a moment. */
async function drop(serverUrl: string, name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      return
    } catch (cause) {
      if (tries === DROP_TRIES)
        throw new Error(`the database ${name} could not be dropped: drop it by hand`, { cause })
      await sleep(DROP_AGAIN_MS)
    }
  }
}

const run = (databaseUrl: string, text: string): Promise<unknown> =>
  connected(databaseUrl, (client) => client.query(text))
