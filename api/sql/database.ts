import pg from 'pg'
import { createClientLike } from '../../schemas/database.ts'
import { within } from './within.ts'

/**
 * The API's way to PostgreSQL: every query is bounded in time and every failure is one of two kinds, so that a
 * caller gets 503 within two seconds when the database is gone, however it is gone.
 */

/** Nobody answers, or the server cannot serve now: the same call may succeed later. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable'
}

/** A statement ran into the statement timeout. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

/**
 * @param name of a statement that each connection plans once only, instead of for every call: for constant texts whose
 *   best plan hangs on no value. Over the months' tables and their indexes, planning takes longer than looking one row up.
 */
export type Query = <R extends pg.QueryResultRow>(
  text: string,
  values?: unknown[],
  name?: string,
) => Promise<R[]>

export interface Database {
  /** @throws Unavailable, TooSlow, or PostgreSQL's own error */
  query: Query
  /** Runs the work between BEGIN and COMMIT on one connection; rolls back when it throws. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>
  /** Resolves when the database answers within about a second and has this version's tables. */
  check(): Promise<void>
}

/** Longest wait for a free or new connection. */
const CONNECT_MS = 1500
/** Calls that may wait for each connection of the pool: who comes later would be refused in the end anyhow. */
const WAITING_PER_CONNECTION = 10
/** After this long without an answer, another connection is asked whether anybody is there. */
const SILENCE_MS = 900
const PROBE_MS = 600
/** How long after the statement timeout an answer may come: a firewall that forgot a connection answers never. */
const GRACE_MS = 1000
const CHECK_MS = 1200

/** SQLSTATE classes and codes after which a later try may succeed. */
const PASSING = /^(08|28|53|57P|3D000|40001|40P01|42P01|55P03|25006)/
const QUERY_CANCELED = '57014'

/**
 * @param pool ended by its owner
 * @param statementTimeoutMs the pool's statement timeout: nobody waits much longer for an answer
 */
export function createDatabase(pool: pg.Pool, statementTimeoutMs: number): Database {
  const reachable = createProbe(pool)

  async function withConnection<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const client = await connect(pool)
    // A connection that is lost between two statements of a transaction emits an error, which nobody else hears.
    const ignore = () => {}
    client.on('error', ignore)
    const silence = watchSilence(reachable)
    let broken = false
    try {
      return await Promise.race([work(queryOn(client, statementTimeoutMs + GRACE_MS)), silence.broken])
    } catch (error) {
      broken = error instanceof Unavailable
      throw error
    } finally {
      silence.stop()
      client.off('error', ignore)
      client.release(broken)
    }
  }

  const query: Query = (text, values, name) => withConnection((run) => run(text, values, name))

  return {
    query,
    transaction: (work) => withConnection((run) => inTransaction(run, work)),
    check: async () => {
      await within(CHECK_MS, query(`SELECT 'transactions'::regclass`), () => noAnswer(CHECK_MS))
    },
  }
}

const queryOn =
  (client: pg.PoolClient, longestMs: number): Query =>
  async (text, values, name) => {
    try {
      return (await within(longestMs, client.query({ text, values, name }), () => noAnswer(longestMs))).rows
    } catch (error) {
      throw classify(error as Error)
    }
  }

async function inTransaction<T>(query: Query, work: (query: Query) => Promise<T>): Promise<T> {
  await query('BEGIN')
  try {
    const result = await work(query)
    await query('COMMIT')
    return result
  } catch (error) {
    // When the rollback fails too, its error says that the connection is broken.
    await query('ROLLBACK')
    throw error
  }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  if (pool.waitingCount >= WAITING_PER_CONNECTION * pool.options.max)
    throw new Unavailable('too many calls wait for a connection')
  const connecting = pool.connect()
  try {
    return await within(CONNECT_MS, connecting, () => noAnswer(CONNECT_MS))
  } catch (cause) {
    connecting.then(
      (client) => client.release(),
      () => {},
    )
    throw new Unavailable('no connection to the database', { cause })
  }
}

/** Rejects `broken` when the work goes on and the server answers nobody else either. */
function watchSilence(reachable: () => Promise<boolean>): { broken: Promise<never>; stop(): void } {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setInterval(async () => {
    if (!(await reachable())) reject(new Unavailable('the database stopped answering'))
  }, SILENCE_MS)
  promise.catch(() => {})
  return { broken: promise, stop: () => clearInterval(timer) }
}

/** Asks the server over a connection of its own whether it is there; one question at a time. */
function createProbe(pool: pg.Pool): () => Promise<boolean> {
  let asking: Promise<boolean> | undefined
  return () => {
    asking ??= within(PROBE_MS, ask(pool), () => noAnswer(PROBE_MS))
      // A refusal is an answer: somebody is there.
      .catch((error) => error instanceof pg.DatabaseError)
      .finally(() => {
        asking = undefined
      })
    return asking
  }
}

async function ask(pool: pg.Pool): Promise<boolean> {
  const client = createClientLike(pool)
  client.on('error', () => {})
  await client.connect()
  await client.end()
  return true
}

function classify(error: Error): Error {
  if (!(error instanceof pg.DatabaseError))
    return new Unavailable('the connection to the database was lost', { cause: error })
  if (error.code === QUERY_CANCELED)
    return new TooSlow('the statement timeout ended a query', { cause: error })
  return PASSING.test(error.code ?? '') ? new Unavailable('the database refuses', { cause: error }) : error
}

const noAnswer = (ms: number): Unavailable => new Unavailable(`no answer within ${ms} ms`)
