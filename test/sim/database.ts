import type { Ownership } from '../../pipeline/batch.ts'
import type { Move as StoreMove } from '../../pipeline/store/moves.ts'
import { contentOf, FENCED, identity } from '../../pipeline/store/sql.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import type { Row } from '../support/copy-parser.ts'
import { PgError } from './faults.ts'
import { type Backend, Locks } from './locks.ts'
import { REFUSED } from './records.ts'
import type { Scheduler } from './scheduler.ts'

/** What PostgreSQL does that matters here: transactions, locks that wait, unique keys, compare-and-set at READ COMMITTED. */

export interface SavedState {
  partition: number
  position: number
  accounts: number
  pieces: Buffer[]
}

export interface Move {
  partition: number
  from: number
  next: number
  /** The ownership whose batch it was. */
  by: Ownership
}

/** What a transaction has done so far; nobody else sees it. */
export interface Changes {
  rows: Map<string, Row>
  skipped: Map<string, string>
  moved: Move[]
}

export const entryKey = (partition: number, offset: number): string => `${partition}/${offset}`

export class SimDatabase {
  readonly rows = new Map<string, Row>()
  readonly skipped = new Map<string, string>()
  readonly positions = new Map<number, { next: number; owner: string | null }>()
  readonly months = new Set<string>()
  readonly checkpoints: SavedState[] = []
  readonly backends = new Set<Backend>()
  readonly #locks: Locks
  readonly #onCommit: (moved: Move[], rows: Row[]) => void

  constructor(scheduler: Scheduler, onCommit: (moved: Move[], rows: Row[]) => void) {
    this.#locks = new Locks(scheduler)
    this.#onCommit = onCommit
  }

  /** See {@link Locks.attempt}. */
  attempt(backend: Backend, body: () => void, done: (error: unknown) => void): void {
    this.#locks.attempt(backend, body, done)
  }

  /** Inserts the rows in order. Called again after each wait, it goes on where it stopped: `progress`. */
  copy(backend: Backend, rows: Row[], progress: { row: number }): void {
    const { rows: added } = this.#changesOf(backend)
    for (; progress.row < rows.length; progress.row++) {
      const row = rows[progress.row]
      const key = identity(row.transaction_id as string, row.timestamp as number)
      if (!this.months.has(monthOf(row.timestamp as number)))
        throw new PgError('23514', 'no partition of relation "transactions" found for row')
      if (row.merchant_category === REFUSED)
        throw new PgError('23514', 'violates check constraint', 'refused')
      if (added.has(key)) throw new PgError('23505', 'duplicate key', 'transactions_pkey')
      this.#locks.take(backend, `row ${key}`)
      if (this.rows.has(key)) throw new PgError('23505', 'duplicate key', 'transactions_pkey')
      added.set(key, row)
    }
  }

  insertSkipped(backend: Backend, entries: [key: string, code: string][]): void {
    const { skipped } = this.#changesOf(backend)
    for (const [key, code] of entries) {
      this.#locks.take(backend, `skipped ${key}`)
      if (!this.skipped.has(key)) skipped.set(key, code)
    }
  }

  movePositions(backend: Backend, moves: readonly StoreMove[]): void {
    const { moved } = this.#changesOf(backend)
    const found: Move[] = []
    for (const { owner, fromOffset: from, nextOffset: next } of moves) {
      const { partition } = owner
      if (this.positions.get(partition)?.next !== from) continue
      this.#locks.take(backend, `position ${partition}`)
      if (this.positions.get(partition)?.next === from) found.push({ partition, from, next, by: owner })
    }
    if (found.length < moves.length) throw new PgError(FENCED, 'another position')
    moved.push(...found)
  }

  commit(backend: Backend): void {
    const { rows, skipped, moved } = this.#changesOf(backend)
    this.#onCommit(moved, [...rows.values()])
    for (const [key, row] of rows) this.rows.set(key, row)
    for (const [key, code] of skipped) this.skipped.set(key, code)
    for (const { partition, next } of moved) this.positions.get(partition)!.next = next
    this.rollback(backend)
  }

  /** Also what an error does, at once. */
  rollback(backend: Backend): void {
    backend.changes = null
    this.#locks.release(backend)
  }

  end(backend: Backend): void {
    backend.alive = false
    backend.waitsFor = null
    this.backends.delete(backend)
    this.rollback(backend)
  }

  /** SELECT … FOR UPDATE, in a transaction of its own. */
  readPosition(backend: Backend, partition: number): number {
    this.#locks.wait(backend, `position ${partition}`)
    const position = this.positions.get(partition)
    if (position === undefined) throw new Error('harness: no such position')
    return position.next
  }

  findStored(transactions: Transaction[]): Map<string, string> {
    const found = new Map<string, string>()
    for (const tx of transactions) {
      const key = identity(tx.transaction_id, tx.timestamp)
      const row = this.rows.get(key)
      if (row !== undefined)
        found.set(key, contentOf({ ...(row as unknown as Transaction), amount: Number(row.amount) }))
    }
    return found
  }

  ensurePartition(at: number): void {
    this.months.add(monthOf(at))
  }

  /** Who is stopped cannot be told from who is slow: all that are in a transaction are ended, those that run as well. */
  endOtherLanes(backend: Backend): void {
    for (const other of this.backends)
      if (other !== backend && other.name.includes('-lane-') && other.changes !== null)
        other.terminate('other lane terminated')
  }

  /** The three statements of a claim, one by one. */
  insertPosition(partition: number, start: number): void {
    if (!this.positions.has(partition)) this.positions.set(partition, { next: start, owner: null })
  }

  terminateOwner(partition: number, lane: string): void {
    const owner = this.positions.get(partition)?.owner
    if (owner === null || owner === lane) return
    for (const backend of this.backends)
      if (backend.name === owner && backend.changes !== null) backend.terminate('owner terminated')
  }

  takePosition(backend: Backend, partition: number, lane: string): number {
    const next = this.readPosition(backend, partition)
    this.positions.get(partition)!.owner = lane
    return next
  }

  /** The stored transactions of a partition from an offset on, in order. */
  history(partition: number, from: number): Row[] {
    return [...this.rows.values()]
      .filter((row) => row.kafka_partition === partition && (row.kafka_offset as number) >= from)
      .sort((a, b) => (a.kafka_offset as number) - (b.kafka_offset as number))
  }

  /** A transaction begins with its first change. */
  #changesOf(backend: Backend): Changes {
    backend.changes ??= { rows: new Map(), skipped: new Map(), moved: [] }
    return backend.changes
  }
}

const monthOf = (at: number): string => new Date(at).toISOString().slice(0, 7)
