import type { Random } from '../../pipeline/produce/random.ts'

/** The calls that can fail. */
export const DATABASE_CALLS = [
  'open',
  'copy',
  'insertSkipped',
  'movePositions',
  'commit',
  'rollback',
  'readPosition',
  'findStored',
  'ensurePartition',
  'endStopped',
  'claimPosition',
  'findCheckpoint',
  'readHistory',
  'writeCheckpoint',
] as const
export const OTHER_CALLS = ['deadLetters', 'getSchema', 'fetchTopicOffsets'] as const
export type Call = (typeof DATABASE_CALLS)[number] | (typeof OTHER_CALLS)[number]

/**
 * The connection is lost, or the process dies, before or after the call took effect, or while it is still under way and
 * will take effect later; or the server answers an error.
 */
export const CUTS = [
  'lost-before',
  'lost-after',
  'lost-under-way',
  'crash-before',
  'crash-after',
  'crash-under-way',
] as const
export type Fault = (typeof CUTS)[number] | { code: string }

/** SQLSTATEs that pass by themselves: deadlock, serialization, resources, disk, lock, cancelled, terminated, read-only, internal. */
const PASSING_CODES = [
  '40P01',
  '40001',
  '53300',
  '53100',
  '55P03',
  '57014',
  '57P01',
  '57P03',
  '25006',
  '08006',
  'XX000',
] as const

/** What is wrong with the next call of a kind, if anything is. */
export type NextFault = (call: Call) => Fault | null

export const noFaults: NextFault = () => null

/** Each call fails with some probability. */
export const randomFaults =
  (random: Random, probability: number): NextFault =>
  (call) => {
    // What happens between a COMMIT and its answer is the hardest to get right.
    if (!random.chance(call === 'commit' ? 3 * probability : probability)) return null
    if (random.chance(call === 'commit' ? 0.9 : 0.5)) return random.pick(CUTS)
    // A key that another transaction held and gave up.
    if (call === 'copy' && random.chance(0.1)) return { code: '23505' }
    return { code: random.pick(PASSING_CODES) }
  }

/** The n-th call of a kind fails, from 1. */
export function nthFault(call: Call, n: number, fault: Fault): { next: NextFault; met: () => boolean } {
  let count = 0
  return {
    next: (other) => (other === call && ++count === n ? fault : null),
    met: () => count >= n,
  }
}

/** An error as pg throws it for the server's. */
export class PgError extends Error {
  readonly code: string
  readonly constraint: string | undefined

  constructor(code: string, message: string, constraint?: string) {
    super(message)
    this.code = code
    this.constraint = constraint
  }
}

/** An error as pg throws it for the connection: those of the system have a code, pg's own have none. */
export const connectionError = (random: Random): Error =>
  random.chance(0.5)
    ? new Error('Connection terminated unexpectedly')
    : Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
