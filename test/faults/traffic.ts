import { simulate } from '../../pipeline/produce/simulator.ts'
import type { Transaction } from '../../schemas/transaction.ts'

/** A record to send: a transaction, or bytes that are none. */
export type Piece = {
  /** The transaction's id, or a name for bytes that have none. */
  id: string
  /** What should become of it: a row; a row already (a duplicate); a dead letter; a dead letter beside a row. */
  kind: 'good' | 'again' | 'invalid' | 'conflict'
} & ({ transaction: Transaction } | { key: string | null; value: Buffer | null; timestamp?: string })

export interface TrafficOptions {
  seed: number
  accounts?: number
  /** One in so many is sent again later, 0 = none. */
  againEvery?: number
  /** One in so many is followed by one that is not valid, 0 = none. */
  invalidEvery?: number
  /** The first so many have a location of 4 KB. */
  large?: number
}

const LARGE_BYTES = 4096
const RECENT = 200
/** Simulated time runs faster than ours; it must not overtake it, or its events would be of the future. */
const START = Date.UTC(2020, 0, 1)

/** Simulated traffic without end, in which some are sent twice and some are not valid. */
export function* disturbed({
  seed,
  accounts = 200,
  againEvery = 41,
  invalidEvery = 97,
  large = 0,
}: TrafficOptions): Generator<Piece, never> {
  const recent: Transaction[] = []
  let n = 0
  for (const tx of simulate({ seed, accounts, start: START, fraudShare: 0.05 })) {
    if (n < large) tx.location = tx.location.padEnd(LARGE_BYTES, '.')
    yield { id: tx.transaction_id, kind: 'good', transaction: tx }
    recent.push(tx)
    if (recent.length > RECENT) recent.shift()
    n++
    if (againEvery > 0 && n % againEvery === 0) {
      const again = recent[n % recent.length]
      yield { id: again.transaction_id, kind: 'again', transaction: again }
    }
    if (invalidEvery > 0 && n % invalidEvery === 0) {
      const id = `invalid-${seed}-${n}`
      yield { id, kind: 'invalid', transaction: { ...tx, transaction_id: id, currency: '' } }
    }
  }
  throw new Error('the simulation never ends')
}
