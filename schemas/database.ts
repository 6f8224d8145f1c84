import pg from 'pg'
import type { Logger } from './log.ts'

/** COUNT(*) and offsets: exact in a double up to 2^53. numeric stays a decimal string, as PostgreSQL prints it. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format)) as never,
}

export interface ConnectionOptions {
  connectionString: string
  /** Seen in pg_stat_activity; names the process and its part. */
  application_name: string
  statementTimeoutMs?: number
  /** Gives a query up that has no answer after so long, though the connection may look alive. */
  queryTimeoutMs?: number
}

const configuration = (options: ConnectionOptions): pg.ClientConfig => ({
  connectionString: options.connectionString,
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

/** One connection, not yet connected. */
export const createClient = (options: ConnectionOptions): pg.Client => new pg.Client(configuration(options))

/** A pool whose idle connections' errors are logged instead of ending the process. */
export function createPool(options: ConnectionOptions & { size: number }, log: Logger): pg.Pool {
  const pool = new pg.Pool({
    ...configuration(options),
    max: options.size,
    // For a free connection, too: who gave up must not wait on among those who have not.
    connectionTimeoutMillis: 1500,
    // A process that is stopped in a transaction keeps its locks from all others.
    idle_in_transaction_session_timeout: 10_000,
  })
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection was lost'))
  return pool
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

// Node gives an AggregateError without a message when a name has several addresses and none answers.
const reasonOf = (error: Error): string =>
  error.message || String((error as AggregateError).errors?.[0]?.message ?? error)
