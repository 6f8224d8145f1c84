import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError } from '../errors.ts'

/** What to do about an error of the database. */
export type Reaction = 'retry' | 'blocked' | 'duplicate' | 'bad-row' | 'exit'

/** Faults of our own, which would be the same the next time. */
const OURS = [FatalError, TypeError, RangeError, ReferenceError, SyntaxError]

/** SQLSTATE classes that pass by themselves: connection, transaction rollback, resources, operator, system. */
const PASSING = new Set(['08', '40', '53', '55', '57', '58', 'XX'])

export function reactionTo(error: Error & { code?: string; constraint?: string }): Reaction {
  const { code } = error
  if (OURS.some((kind) => error instanceof kind)) return 'exit'
  // Without a SQLSTATE it came from the connection: refused, reset, ended, timed out. EPIPE looks like one; none has an E there.
  if (code === undefined || !/^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code)) return 'retry'
  if (code === '23505') return 'duplicate'
  // A wait for a lock was too long. It is tried again, too, once those that are stopped have lost what they hold.
  if (code === '55P03') return 'blocked'
  if (PASSING.has(code.slice(0, 2))) return 'retry'
  // While a password is changed there are moments without the right one. A wrong one is told at the start, by the first connection.
  if (code.startsWith('28')) return 'retry'
  // A server that is read-only for now (a stand-by that is being promoted), or a transaction that was idle too long.
  if (code === '25006' || code === '25P03' || code === '25P04') return 'retry'
  // "No partition of relation found for row" has the code of a check, and no constraint: the table's fault, not the row's.
  if (code === '23514' && error.constraint === undefined) return 'retry'
  // 54000: a value is too large, for an index say.
  if (code.startsWith('22') || code.startsWith('23') || code === '54000') return 'bad-row'
  return 'exit'
}

/** A failure that goes on for hours is worth a few lines, not one a try. */
export const isWorthALine = (attempt: number): boolean => (attempt & (attempt - 1)) === 0

const FIRST_MS = 100
const LONGEST_MS = 5000

/** Waits before try number `attempt` (from 1): doubling, half of it by chance, so that many do not come back at once. */
export async function backOff(attempt: number, closing: AbortSignal): Promise<void> {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1))
  await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal: closing })
}
