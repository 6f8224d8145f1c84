import type { Transaction } from '../../schemas/transaction.ts'
import {
  clearBlock,
  endOf,
  eventsAt,
  eventsOf,
  HEADER,
  MOST_ADDED,
  NEWEST,
  SIZE,
  setEvents,
} from './account-block.ts'
import { type AccountRecord, copyBlock, recordOf, restoreBlock } from './account-record.ts'
import { BlockPool, blockSize, SLAB_BITS, SLAB_MASK, type Slab } from './block-pool.ts'
import { describe, isLate } from './describe.ts'
import { upperBound } from './events.ts'
import { learn } from './learn.ts'
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

const DAY = 86_400_000

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
  readonly newAccounts: string[]
}

export class AccountStates {
  readonly #pool = new BlockPool()
  readonly #slots = new Map<string, number>()
  /** Address of each slot's block, and the serial of the batch that copied it last. */
  #block = new Uint32Array(1024)
  #touched = new Float64Array(1024)
  readonly #names: string[] = []
  #freeSlots: number[] = []
  /** Blocks that were given up while a snapshot may still read them; null when there is none. */
  #heldBack: number[] | null = null
  #nextSlot = 0
  #serial = 0
  readonly #locations = new Map<string, number>()
  readonly #locationNames: string[] = []
  readonly #lateness: number
  readonly #rates: Rates
  readonly #seen = createSighting()

  /** @param latenessMs how far behind its account's newest an event may be and still count in windows */
  constructor(latenessMs: number, rates: Rates = EUROS) {
    this.#lateness = latenessMs
    this.#rates = rates
  }

  get accounts(): number {
    return this.#slots.size
  }

  get bytes(): number {
    return this.#pool.bytes + this.#block.byteLength + this.#touched.byteLength
  }

  /** Opens the undo log that the next observations belong to. */
  begin(): UndoLog {
    return { serial: ++this.#serial, slots: [], blocks: [], newAccounts: [] }
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
      if (undo.blocks[i] === 0) this.#freeSlots.push(slot)
    }
    for (const account of undo.newAccounts) this.#slots.delete(account)
  }

  /**
   * The state without the batches in flight, which stays as it is while the stream goes on: a committed block is never
   * written to (a batch copies it first), and until {@link Snapshot.release} none is used again.
   * @param inFlight undo logs of the batches that are not committed, oldest first
   */
  snapshot(inFlight: UndoLog[]): Snapshot {
    if (this.#heldBack !== null) throw new Error('one snapshot at a time')
    this.#heldBack = []
    const blocks = this.#block.slice(0, this.#nextSlot)
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
    const undo = this.begin()
    // What a place's number in the snapshot is here.
    const numbers: number[] = []
    await decodeStates(
      pieces,
      (name) => numbers.push(this.#locationNumber(name)),
      (account) => this.#restoreAccount(account, numbers, undo),
    )
  }

  /**
   * Writes the transaction's features into `out` from `at` on, then adds it to its account.
   * Pure in event time: the same transactions in the same order give the same features, however they were batched.
   * @returns the number of the account's home before this transaction, -1 if it has none; see {@link locationName}
   */
  observe(tx: Transaction, undo: UndoLog, out: Float64Array, at: number): number {
    const slot = this.#slotOf(tx.account_id, undo)
    if (this.#touched[slot] !== undo.serial) this.#copyOnFirstTouch(slot, undo)
    this.#makeRoom(slot)
    const slab = this.#slabOf(slot)
    const base = this.#block[slot] & SLAB_MASK
    const seen = this.#seen
    fillSighting(seen, tx, tx.location === '' ? -1 : this.#locationNumber(tx.location), this.#rates)
    const late = isLate(slab, base, seen.time, this.#lateness)
    const home = describe(out, at, slab, base, seen, late)
    learn(slab, base, seen, late, this.#lateness)
    return home
  }

  /** Name of a location's number; an empty string for -1. */
  locationName(number: number): string {
    return number === -1 ? '' : this.#locationNames[number]
  }

  *#records(blocks: Uint32Array): Generator<AccountRecord> {
    for (let slot = 0; slot < blocks.length; slot++) {
      const address = blocks[slot]
      if (address === 0) continue
      yield recordOf(
        this.#names[slot],
        this.#pool.slabs[address >>> SLAB_BITS],
        address & SLAB_MASK,
        this.#lateness + DAY,
      )
    }
  }

  #restoreAccount(record: AccountRecord, numbers: number[], undo: UndoLog): void {
    const slot = this.#slotOf(record.id, undo)
    const doubles = record.block.length
    const address = this.#pool.allocate(doubles)
    const slab = this.#pool.slabs[address >>> SLAB_BITS]
    const size = blockSize(doubles)
    restoreBlock(record, slab, address & SLAB_MASK, size, (number) => numbers[number])
    this.#block[slot] = address
  }

  #slabOf(slot: number): Slab {
    return this.#pool.slabs[this.#block[slot] >>> SLAB_BITS]
  }

  #slotOf(account: string, undo: UndoLog): number {
    const known = this.#slots.get(account)
    if (known !== undefined) return known
    const slot = this.#freeSlots.pop() ?? this.#nextSlot++
    if (slot >= this.#block.length) {
      const [block, touched] = [this.#block, this.#touched]
      this.#block = new Uint32Array(block.length * 2)
      this.#block.set(block)
      this.#touched = new Float64Array(touched.length * 2)
      this.#touched.set(touched)
    }
    this.#block[slot] = 0
    this.#touched[slot] = 0
    this.#slots.set(account, slot)
    this.#names[slot] = account
    undo.newAccounts.push(account)
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

  #copyOnFirstTouch(slot: number, undo: UndoLog): void {
    const old = this.#block[slot]
    undo.slots.push(slot)
    undo.blocks.push(old)
    this.#touched[slot] = undo.serial
    if (old !== 0) {
      this.#block[slot] = this.#copy(old, 0)
      return
    }
    const doubles = HEADER + MOST_ADDED
    const address = this.#pool.allocate(doubles)
    clearBlock(this.#pool.slabs[address >>> SLAB_BITS], address & SLAB_MASK, blockSize(doubles))
    this.#block[slot] = address
  }

  /** Frees the block at an address, now or when the snapshot ends. Its size stands in its header. */
  #release(address: number): void {
    if (this.#heldBack !== null) this.#heldBack.push(address)
    else this.#pool.free(address, this.#pool.slabs[address >>> SLAB_BITS].f64[(address & SLAB_MASK) + SIZE])
  }

  /**
   * Copies a block, leaving out events that no window can reach any more, with room for one more transaction and
   * `extra` doubles. An event that is allowed to be late looks one day further back than the lateness.
   */
  #copy(from: number, extra: number): number {
    const source = this.#pool.slabs[from >>> SLAB_BITS]
    const base = from & SLAB_MASK
    const events = eventsOf(source, base)
    const first = eventsAt(source, base)
    const old = upperBound(source, first, events, source.f64[base + NEWEST] - this.#lateness - DAY)
    const doubles = endOf(source, base) - base - 2 * old + MOST_ADDED + extra
    const address = this.#pool.allocate(doubles)
    const target = this.#pool.slabs[address >>> SLAB_BITS]
    const to = address & SLAB_MASK
    copyBlock({ from: source, base, old, to: target.f64, at: to })
    target.f64[to + SIZE] = blockSize(doubles)
    setEvents(target, to, events - old)
    return address
  }

  /** Sees to it that the (already copied) block can take one more transaction. */
  #makeRoom(slot: number): void {
    const old = this.#block[slot]
    const slab = this.#slabOf(slot)
    const base = old & SLAB_MASK
    const used = endOf(slab, base) - base
    if (used + MOST_ADDED <= slab.f64[base + SIZE]) return
    // Half as much again, so that a busy account is copied a few times, not for each event.
    this.#block[slot] = this.#copy(old, used >> 1)
    this.#release(old)
  }
}
