import { type EventEmitter, once } from 'node:events'
import type { Socket } from 'node:net'
import type pg from 'pg'
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams'
import { type ConnectionOptions, createClient } from '../../schemas/database.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import type { Batch } from '../batch.ts'
import { failpoint } from '../failpoint.ts'
import type { Move } from './moves.ts'
import {
  COPY_TRANSACTIONS,
  endStopped,
  ensurePartition,
  findStored,
  limitLockWaits,
  readPositionFinally,
  storing,
} from './sql.ts'

/** A lane's connection: all that it asks of the database. Each call throws the server's error, or the connection's. */
export interface StoreSession {
  /**
   * Stores batches and moves their positions: one transaction, one message.
   * @param rows of the batches, in the binary COPY format, nothing if there are none; the buffers may be used again once it has resolved
   * @throws with SQLSTATE FENCED when a stored position is not the expected one
   */
  store(rows: readonly Buffer[], batches: readonly Batch[], moves: readonly Move[]): Promise<void>
  /** Copies rows and rolls them back. */
  probe(rows: readonly Buffer[]): Promise<void>
  /** The stored position. Waits for a transaction that is just moving it, so that the answer is final. */
  readPosition(topic: string, partition: number): Promise<number>
  /** The contents of those that are stored already, by identity. */
  findStored(transactions: Transaction[]): Promise<Map<string, string>>
  /** Makes the month's partition of the table that holds the time, if there is none. */
  ensurePartition(at: number): Promise<void>
  /** After SQLSTATE 55P03: ends the lanes of stopped processes, which may hold what was waited for. */
  endStopped(): Promise<void>
  close(): Promise<void>
  /** Cuts the connection in the middle of whatever it does. */
  destroy(): void
}

/** @param onLost called when the connection ends by itself, whether a call waits or not */
export type OpenSession = (onLost: (error: Error) => void) => Promise<StoreSession>

/** A server that keeps a connection and says nothing is cut off after so long; then it is tried again. */
const SILENCE_MS = 60_000

export const postgresSessions =
  (connection: ConnectionOptions): OpenSession =>
  async (onLost) => {
    const client = createClient(connection)
    client.on('error', onLost)
    const { connection: wire } = client as unknown as { connection: EventEmitter & { stream: Socket } }
    const cut = () => void wire.stream.destroy()
    const limited = <T>(work: Promise<T>): Promise<T> => {
      const timer = setTimeout(cut, SILENCE_MS)
      return work.finally(() => clearTimeout(timer))
    }
    try {
      await client.connect()
      await limited(endPredecessor(client))
      await limited(limitLockWaits(client))
    } catch (error) {
      client.end().catch(() => {})
      throw error
    }
    return {
      store: (rows, batches, moves) => limited(store(client, rows, storing(batches, moves))),
      probe: (rows) => limited(probe(client, rows)),
      readPosition: (topic, partition) => limited(readPositionFinally(client, topic, partition)),
      findStored: (transactions) => limited(findStored(client, transactions)),
      ensurePartition: (at) => limited(ensurePartition(client, at)),
      endStopped: () => limited(endStopped(client)),
      close: () => client.end(),
      destroy: cut,
    }
  }

/** A connection that was cut unseen may live on in the server, with the keys of a COPY that would block this one's. */
async function endPredecessor(client: pg.Client): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = current_setting('application_name') AND usename = current_user AND pid <> pg_backend_pid()`,
  )
}

async function store(client: pg.Client, rows: readonly Buffer[], statements: string[]): Promise<void> {
  if (rows.length === 0) await client.query(statements.join(';\n'))
  else await copy(client, [COPY_TRANSACTIONS, ...statements].join(';\n'), rows)
}

async function probe(client: pg.Client, rows: readonly Buffer[]): Promise<void> {
  await client.query('BEGIN')
  try {
    await copy(client, COPY_TRANSACTIONS, rows)
  } finally {
    await client.query('ROLLBACK')
  }
}

/**
 * @param text begins with a COPY; what follows is run once the rows are in
 * @throws the server's error, or the connection's
 */
async function copy(client: pg.Client, text: string, rows: readonly Buffer[]): Promise<void> {
  const stream = sendAhead(client, text)
  // `finish` comes when the server is ready for the next message; an error comes as an event and rejects both waits.
  const finished = once(stream, 'finish')
  // One chunk at a time, each until the socket has room again: after the server's error the stream has let go of the
  // connection, and what it still had to write, the end too, would end the process.
  for (const chunk of rows) {
    await Promise.race([finished, new Promise<void>((taken) => stream.write(chunk, () => taken()))])
    failpoint('in-copy')
  }
  failpoint('after-copy')
  failpoint('before-commit')
  stream.end()
  await finished
}

/**
 * Begins a COPY whose rows go out with its text, in one write to the socket, without waiting for the server to ask for
 * them: it takes them when it comes to the COPY, and drops them if that fails
 * (https://www.postgresql.org/docs/current/protocol-flow.html, "COPY Operations").
 */
function sendAhead(client: pg.Client, text: string): CopyStreamQuery {
  const { connection } = client as unknown as { connection: { stream: Socket } }
  connection.stream.cork() // pg-copy-streams writes the header of a chunk, the chunk and the end one by one
  setImmediate(() => connection.stream.uncork())
  const stream = client.query(copyFrom(text)) as CopyStreamQuery & Asked
  // After an error the text may have to wait until the server is ready again; then its answer is waited for, too.
  if (stream.connection) stream.handleCopyInResponse(connection)
  return stream
}

/** What `pg` calls and sets in a query. */
interface Asked {
  connection?: object
  handleCopyInResponse(connection: object): void
}
