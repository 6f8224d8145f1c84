import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
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
  insertSkipped,
  limitLockWaits,
  movePositions,
  readPositionFinally,
} from './sql.ts'

/** A lane's connection: all that it asks of the database. Each call throws the server's error, or the connection's. */
export interface StoreSession {
  begin(): Promise<void>
  /** @param chunks rows in the binary COPY format; they may be used again once it has resolved */
  copy(chunks: Buffer[]): Promise<void>
  insertSkipped(batch: Batch): Promise<void>
  /** @returns false when a stored position is not the expected one */
  movePositions(moves: readonly Move[]): Promise<boolean>
  commit(): Promise<void>
  rollback(): Promise<void>
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
    const cut = () =>
      void (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    const limited = <T>(work: Promise<T>): Promise<T> => {
      const timer = setTimeout(cut, SILENCE_MS)
      return work.finally(() => clearTimeout(timer))
    }
    const run = async (statement: string) => void (await client.query(statement))
    try {
      await client.connect()
      await limited(endPredecessor(client))
      await limited(limitLockWaits(client))
    } catch (error) {
      client.end().catch(() => {})
      throw error
    }
    return {
      begin: () => limited(run('BEGIN')),
      copy: (chunks) => limited(copy(client, chunks)),
      insertSkipped: (batch) => limited(insertSkipped(client, batch)),
      movePositions: (moves) => limited(movePositions(client, moves)),
      commit: () => limited(run('COMMIT')),
      rollback: () => limited(run('ROLLBACK')),
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

/** @throws the server's error, or the connection's */
async function copy(client: pg.Client, chunks: Buffer[]): Promise<void> {
  const stream = client.query(copyFrom(COPY_TRANSACTIONS))
  // `finish` comes when the server has taken all; an error comes as an event and rejects both waits.
  const finished = once(stream, 'finish')
  finished.catch(() => {}) // an error before the end is thrown by the wait for `drain`
  // One chunk at a time: after the server's error the stream has let go of the connection, and a flush of what it
  // still holds would end the process.
  for (const chunk of chunks) {
    if (!stream.write(chunk)) await once(stream, 'drain')
    failpoint('in-copy')
  }
  stream.end()
  await finished
}
