import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { explainConnection, isHopeless } from './database-advice.ts'
import { connectionTo } from './database-url.ts'
import type { Logger } from './log.ts'
import { currentValue } from './setting-values.ts'

/** COUNT(*) and offsets: exact in a double up to 2^53. numeric stays a decimal string, as PostgreSQL prints it. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) as never,
}

export interface ConnectionOptions {
  /** DATABASE_URL; where that came from a file, the file is read again for each connection. */
  connectionString: string
  /** Seen in pg_stat_activity; names the process and its part. */
  application_name: string
  statementTimeoutMs?: number
  /** Gives a query up that has no answer after so long, though the connection may look alive. */
  queryTimeoutMs?: number
}

const configuration = (options: ConnectionOptions): pg.ClientConfig => ({
  ...connectionTo(currentValue('DATABASE_URL', options.connectionString)),
  application_name: options.application_name,
  statement_timeout: options.statementTimeoutMs ?? false,
  query_timeout: options.queryTimeoutMs,
  connectionTimeoutMillis: 5000,
  keepAlive: true,
  // Estimates over the months' tables are high, and PostgreSQL would compile a plan for far longer than it runs. The URL's
  // own options come instead of these.
  options: '-c jit=off',
  types,
})

/** Every connection of Weir is one of these: a refusal says what to do about it. */
class Client extends pg.Client {
  override connect(): Promise<pg.Client>
  override connect(callback: Connected): void
  override connect(callback?: Connected): Promise<pg.Client> | undefined {
    if (callback === undefined)
      return super.connect().catch((error) => {
        throw explainConnection(error)
      })
    const told = callback as (error: Error | null) => void
    super.connect((error: Error | null) => told(error && explainConnection(error)))
    return undefined
  }
}

/** As the types of pg have it. */
type Connected = ((error: Error) => void) | ((error: null, client: pg.Client) => void)

/**
 * One connection, not yet connected.
 * @throws SettingsError when a file that the URL names cannot be used, and never could
 */
export const createClient = (options: ConnectionOptions): pg.Client => new Client(configuration(options))

/** When a password is changed its file is replaced just before the server takes it, or after: a moment later both agree. */
const WRONG_PASSWORD = '28P01'
const MOMENT_MS = 100

/** A call that needs a new connection while the password is being changed waits for a moment, and is not refused. */
class Pool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>
  override connect(told: PoolConnected): void
  override connect(told?: PoolConnected): Promise<pg.PoolClient> | undefined {
    const connecting = super.connect().catch(async (error) => {
      if (error.code !== WRONG_PASSWORD) throw error
      await sleep(MOMENT_MS)
      return super.connect()
    })
    if (told === undefined) return connecting
    connecting.then(
      (client) => told(undefined, client, client.release),
      (error) => told(error, undefined, () => {}),
    )
    return undefined
  }
}

type PoolConnected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: Error | boolean) => void,
) => void

/**
 * A pool whose idle connections' errors are logged instead of ending the process.
 * @throws SettingsError when a file that the URL names cannot be used
 */
export function createPool(options: ConnectionOptions & { size: number }, log: Logger): pg.Pool {
  // For a free connection, too: who gave up must not wait on among those who have not.
  const connectionTimeoutMillis = 1500
  const clientOptions = (): pg.ClientConfig => ({
    ...configuration(options),
    connectionTimeoutMillis,
    // A process that is stopped in a transaction keeps its locks from all others.
    idle_in_transaction_session_timeout: 10_000,
  })
  clientOptions() // what cannot be used must be told now, and not to the first call
  const pool = new Pool({
    max: options.size,
    connectionTimeoutMillis,
    Client: class extends Client {
      constructor() {
        super(clientOptions())
      }
    },
  })
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'))
  return pool
}

/** A connection like those of the pool, outside of it and not yet connected. */
export function createClientLike(pool: pg.Pool): pg.Client {
  const PoolClient = pool.options.Client as new () => unknown as new () => pg.Client
  return new PoolClient()
}

/**
 * Runs with one connection, which is closed afterwards.
 * @throws with the server's address and the setting's name when it cannot be reached
 */
export async function withClient<T>(
  options: ConnectionOptions,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = createClient(options)
  // A connection that is lost fails the query that waits, and is told here too: without a listener it ends the process.
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    const where = `${client.host}:${client.port}/${client.database ?? ''}`
    throw new Error(`no connection to PostgreSQL at ${where} (DATABASE_URL): ${reasonOf(cause as Error)}`, {
      cause,
    })
  }
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/**
 * For a process that starts without the database, which may come later: never resolves.
 * @throws when the database refuses for good what it was asked for, its certificate cannot be trusted, say
 */
export function whenHopeless(connectionString: string): Promise<never> {
  return new Promise((_, reject) => {
    const first = withClient({ connectionString, application_name: 'weir-api' }, async () => {})
    first.catch((error) => {
      if (isHopeless(error)) reject(error)
    })
  })
}

// Node gives an AggregateError without a message when a name has several addresses and none answers.
const reasonOf = (error: Error): string =>
  error.message || String((error as AggregateError).errors?.[0]?.message ?? error)
