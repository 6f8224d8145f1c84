import { pipeline } from 'node:stream/promises'
import { readBackup } from './check-file.ts'
import { connectionEnvironment, databaseArgument } from './connection.ts'
import type { Decryption } from './encryption.ts'
import { startProgram } from './program.ts'
import type { PostgresProgram } from './programs.ts'

/** Of a pipe whose reader has ended. */
const READER_ENDED = ['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']

export interface RestoreDump {
  backup: string
  decryption: Decryption
  program: PostgresProgram
  /** An empty database; its role becomes the owner of everything. */
  databaseUrl: string
  /** Whether to grant what was granted: all those roles must be there. */
  withGrants: boolean
  signal: AbortSignal
}

/**
 * Decrypts a backup into pg_restore, which puts it into the database in one transaction.
 * @throws when any part fails; the database is as empty as before then
 */
export async function restoreDump(options: RestoreDump): Promise<void> {
  const { backup, decryption, program, databaseUrl, withGrants, signal } = options
  signal.throwIfAborted()
  const args = [
    '--single-transaction',
    '--no-owner',
    '--no-tablespaces',
    '--no-publications',
    '--no-subscriptions',
    '--no-password',
    ...(withGrants ? [] : ['--no-privileges']),
    databaseArgument(databaseUrl),
  ]
  const restore = startProgram(program.command, args, connectionEnvironment(databaseUrl))
  restore.stdout.resume()
  const stop = () => void restore.stop()
  signal.addEventListener('abort', stop)
  try {
    const fed = pipeline(decryption.decrypt(readBackup(backup)), restore.stdin).catch(async (error) => {
      // That pg_restore ended is told by itself; but for anything else it must not commit what it has.
      if (READER_ENDED.includes(error.code)) return
      await restore.stop()
      throw error
    })
    const [feeding, restoring] = await Promise.allSettled([fed, restore.ended])
    signal.throwIfAborted()
    for (const part of [feeding, restoring]) if (part.status === 'rejected') throw part.reason
  } finally {
    signal.removeEventListener('abort', stop)
    await restore.stop()
  }
}
