import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { EVENT, endOf, eventsAt, eventsOf, HEADER, NEWEST } from './account-block.ts'
import { AccountIndex } from './account-index.ts'
import { type AccountRecord, copyBlock, recordOf, restoreBlock } from './account-record.ts'
import { BlockPool, SLAB_BITS, SLAB_MASK, type Slab } from './block-pool.ts'
import { describe, isLate } from './describe.ts'
import { upperBound } from './events.ts'
import { learn, roomFor } from './learn.ts'
import { EUROS, type Rates } from './rates.ts'
import { createSighting, fillSighting } from './sighting.ts'
import { decodeStates, encodeStates } from './state-codec.ts'

/**
 * What is normal for each account of one partition, and the features that follow from it.
 *
 * An account's state is one block of doubles, laid out as in account-block.ts.
 *
 * The first time that a batch touches an account the block is copied, and the batch's undo log keeps the old one.
 * So a batch that is rolled back puts the old blocks back, whatever it did to the new ones; a commit frees them.
 *
 * Sums are integers below 2^53, hence exact, and the same however they were added up. Mean and m2 follow Welford
 * (Technometrics 1962, doi:10.2307/1266577) in offset order.
 */

/** For so many transactions memory is read ahead: their blocks stay in the cache until they are needed. */
export const AHEAD = 64
/** In doubles: 64 bytes, and as much of a block as most have. */
const CACHE_LINE = 8
const MOST_AHEAD = 256

/** The state at one moment. */
export interface Snapshot {
  accounts: number
  /** Its bytes, see {@link encodeStates}. */
  pieces: () => Generator<Buffer>
  /** Must be called when it is no longer read. */
  release: () => void
}

/** The blocks that a batch replaced, in the order of first touch. Address 0: the account was new. */
export interface UndoLog {
  readonly serial: number
  readonly slots: number[]
  readonly blocks: number[]
}

export class AccountStates {
  readonly #pool = new BlockPool()
  /** Address of the block of an account without history. */
  readonly #empty: number
  readonly #index = new AccountIndex()
  /** Address of each slot's block, and the serial of the batch that copied it last. */
  #block = new Uint32Array(1024)
  #touched = new Uint32Array(1024)
  /** Blocks that were given up while a snapshot may still read them; null when there is none. */
  #heldBack: number[] | null = null
  #serial = 0
  readonly #locations = new Map<string, number>()
  readonly #locationNames: string[] = []
  readonly #lateness: number
  readonly #rates: Rates
  readonly #seen = createSighting()
  readonly #ahead = new Int32Array(AHEAD)

  /** @param latenessMs how far behind its account's newest an event may be and still count in windows */
  constructor(latenessMs: number, rates: Rates = EUROS) {
    this.#lateness = latenessMs
    this.#rates = rates
    this.#empty = this.#pool.allocate(HEADER)
    const base = this.#empty & SLAB_MASK
    this.#slabOf(this.#empty).f64.fill(0, base, base + HEADER)
  }

  /** What amounts are in. */
  get baseCurrency(): string {
    return this.#rates.base
  }

  get accounts(): number {
    return this.#index.size
  }

  get bytes(): number {
    return this.#pool.bytes + this.#index.bytes + this.#block.byteLength + this.#touched.byteLength
  }

  /** Opens the undo log that the next observations belong to. */
  begin(): UndoLog {
    return { serial: ++this.#serial, slots: [], blocks: [] }
  }

  /** Forgets how to undo: the batch is committed. Batches are committed in the order in which they began. */
  commit(undo: UndoLog): void {
    for (const address of undo.blocks) if (address !== 0) this.#release(address)
  }

  /** Puts everything back as it was before the batch. Batches are undone newest first. */
  undo(undo: UndoLog): void {
    for (let i = undo.slots.length - 1; i >= 0; i--) {
      const slot = undo.slots[i]
      this.#release(this.#block[slot])
      this.#block[slot] = undo.blocks[i]
      this.#touched[slot] = 0
      if (undo.blocks[i] === 0) this.#index.remove(slot)
    }
  }

  /**
   * The state without the batches in flight, which stays as it is while the stream goes on: a committed block is never
   * written to (a batch copies it first), and until {@link Snapshot.release} none is used again.
   * @param inFlight undo logs of the batches that are not committed, oldest first
   */
  snapshot(inFlight: UndoLog[]): Snapshot {
    if (this.#heldBack !== null) throw new Error('one snapshot at a time')
    this.#heldBack = []
    const blocks = this.#block.slice(0, this.#index.end)
    for (const { slots, blocks: old } of inFlight.toReversed()) {
      for (let i = 0; i < slots.length; i++) blocks[slots[i]] = old[i]
    }
    const locations = this.#locationNames.slice()
    const records = () => this.#records(blocks)
    return {
      accounts: blocks.reduce((n, address) => (address === 0 ? n : n + 1), 0),
      pieces: () => encodeStates(locations, records()),
      release: () => {
        const held = this.#heldBack ?? []
        this.#heldBack = null
        for (const address of held) this.#release(address)
      },
    }
  }

  /** Fills an empty state from a snapshot's pieces. */
  async restore(pieces: AsyncIterable<Buffer>): Promise<void> {
    // What a place's number in the snapshot is here.
    const numbers: number[] = []
    await decodeStates(
      pieces,
      (name) => numbers.push(this.#locationNumber(name)),
      (account) => this.#restoreAccount(account, numbers),
    )
  }

  /**
   * Writes the transaction's features into `out` from `at` on, then adds it to its account.
   * Pure in event time: the same transactions in the same order give the same features, however they were batched.
   * @returns the number of the account's home before this transaction, -1 if it has none; see {@link locationName}
   */
  observe(tx: Transaction, undo: UndoLog, out: Float64Array, at: number): number {
    const slot = this.#slotOf(tx.account_id)
    const seen = this.#seen
    fillSighting(seen, tx, tx.location === '' ? -1 : this.#locationNumber(tx.location), this.#rates)
    const known = this.#block[slot] || this.#empty
    const slab = this.#slabOf(known)
    const base = known & SLAB_MASK
    const late = isLate(slab, base, seen.time, this.#lateness)
    const home = describe(out, at, slab, base, seen, late)
    const own = this.#writable(slot, roomFor(slab, base, seen, late), seen.time, undo)
    learn(this.#slabOf(own), own & SLAB_MASK, seen, late, this.#lateness)
    return home
  }

  /**
   * Reads what the next transactions, {@link AHEAD} at most, will need, for all of them side by side: the processor then
   * waits for its memory once, not for each. Changes nothing.
   * @param from the first of them
   */
  lookAhead(transactions: readonly Transaction[], from: number): void {
    const until = Math.min(transactions.length, from + AHEAD)
    let used = this.#index.lookAhead(transactions, from, until, this.#ahead)
    for (let i = 0; i < until - from; i++) {
      const address = this.#ahead[i] === -1 ? 0 : this.#block[this.#ahead[i]]
      if (address === 0) continue
      const { f64 } = this.#slabOf(address)
      const base = address & SLAB_MASK
      const end = base + Math.min(this.#pool.sizeOf(address), MOST_AHEAD)
      for (let at = base; at < end; at += CACHE_LINE) used += f64[at]
    }
    // Or the compiler would leave out what is read for nothing.
    this.#ahead[0] = used
  }

  /** Name of a location's number; an empty string for -1. */
  locationName(number: number): string {
    return number === -1 ? '' : this.#locationNames[number]
  }

  *#records(blocks: Uint32Array): Generator<AccountRecord> {
    for (let slot = 0; slot < blocks.length; slot++) {
      const address = blocks[slot]
      if (address === 0) continue
      const slab = this.#slabOf(address)
      yield recordOf(this.#index.idOf(slot), slab, address & SLAB_MASK, this.#lateness + DAY)
    }
  }

  #restoreAccount(record: AccountRecord, numbers: number[]): void {
    const slot = this.#slotOf(record.id)
    const address = this.#pool.allocate(record.block.length)
    restoreBlock(record, this.#slabOf(address), address & SLAB_MASK, (number) => numbers[number])
    this.#block[slot] = address
  }

  #slabOf(address: number): Slab {
    return this.#pool.slabs[address >>> SLAB_BITS]
  }

  /** The account's number, a new one if it is new. */
  #slotOf(account: string): number {
    const known = this.#index.find(account)
    if (known !== -1) return known
    const slot = this.#index.add(account)
    if (slot >= this.#block.length) {
      const [block, touched] = [this.#block, this.#touched]
      this.#block = new Uint32Array(block.length * 2)
      this.#block.set(block)
      this.#touched = new Uint32Array(touched.length * 2)
      this.#touched.set(touched)
    }
    this.#block[slot] = 0
    this.#touched[slot] = 0
    return slot
  }

  #locationNumber(name: string): number {
    let number = this.#locations.get(name)
    if (number === undefined) {
      number = this.#locationNames.push(name) - 1
      this.#locations.set(name, number)
    }
    return number
  }

  /**
   * The block that the batch may write to, with room for so many more doubles: a copy at the first touch, and when there
   * is no room.
   * @param time of the event that it is for
   */
  #writable(slot: number, room: number, time: number, undo: UndoLog): number {
    const old = this.#block[slot]
    if (this.#touched[slot] !== undo.serial) {
      undo.slots.push(slot)
      undo.blocks.push(old)
      this.#touched[slot] = undo.serial
      this.#block[slot] = this.#copy(old || this.#empty, room, time)
    } else {
      const base = old & SLAB_MASK
      const used = endOf(this.#slabOf(old), base) - base
      if (used + room <= this.#pool.sizeOf(old)) return old
      // A quarter as much again, so that a busy account is copied a few times, not for each event.
      this.#block[slot] = this.#copy(old, room + (used >> 2), time)
      this.#release(old)
    }
    return this.#block[slot]
  }

  /**
   * Copies a block, with room for so many more doubles, without the events that no window can reach any more once the
   * event of `time` is there. An event that is allowed to be late looks one day further back than the lateness.
   */
  #copy(from: number, room: number, time: number): number {
    const source = this.#slabOf(from)
    const base = from & SLAB_MASK
    const newest = Math.max(source.f64[base + NEWEST], time)
    const old = upperBound(
      source,
      eventsAt(source, base),
      eventsOf(source, base),
      newest - this.#lateness - DAY,
    )
    const address = this.#pool.allocate(endOf(source, base) - base - EVENT * old + room)
    copyBlock(source, base, old, this.#slabOf(address), address & SLAB_MASK)
    return address
  }

  /** Frees the block at an address, now or when the snapshot ends. */
  #release(address: number): void {
    if (this.#heldBack !== null) this.#heldBack.push(address)
    else this.#pool.free(address)
  }
}
