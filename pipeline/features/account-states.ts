import { AMOUNT_UNITS, type Transaction } from '../../schemas/transaction.ts'
import {
  COUNT,
  countLocation,
  EVENTS,
  HEADER,
  homeLocation,
  insertEvent,
  LOCATIONS,
  M2,
  MEAN,
  NEWEST,
  recordOf,
  SIZE,
  upperBound,
  windowInto,
} from './account-block.ts'
import { BlockPool, blockSize, SLAB_BITS, SLAB_MASK } from './block-pool.ts'
import { F } from './features.ts'
import { type AccountRecord, decodeStates, encodeStates } from './state-codec.ts'

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

const HOUR = 3_600_000
const DAY = 24 * HOUR

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

  /** @param latenessMs how far behind its account's newest an event may be and still count in windows */
  constructor(latenessMs: number) {
    this.#lateness = latenessMs
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
    await decodeStates(
      pieces,
      (name) => this.#locationNumber(name),
      (account) => this.#restoreAccount(account, undo),
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
    const location = tx.location === '' ? -1 : this.#locationNumber(tx.location)

    const slab = this.#slabOf(slot)
    const base = this.#block[slot] & SLAB_MASK
    const count = slab[base + COUNT]
    const amount = tx.amount / AMOUNT_UNITS
    const late = count > 0 && tx.timestamp < slab[base + NEWEST] - this.#lateness

    out[at + F.amount] = amount
    out[at + F.account_count] = count
    out[at + F.account_mean] = count > 0 ? slab[base + MEAN] : Number.NaN
    const deviation = count > 1 ? Math.sqrt(slab[base + M2] / (count - 1)) : 0
    out[at + F.deviation] = deviation > 0 ? (amount - slab[base + MEAN]) / deviation : Number.NaN
    const home = homeLocation(slab, base)
    out[at + F.away_from_home] = home === -1 || location === -1 ? Number.NaN : home === location ? 0 : 1
    out[at + F.late] = late ? 1 : 0
    const end = late ? -1 : upperBound(slab, base + HEADER, slab[base + EVENTS], tx.timestamp)
    windowInto(out, at + F.count_1h, slab, base, end, tx.timestamp - HOUR)
    windowInto(out, at + F.count_24h, slab, base, end, tx.timestamp - DAY)

    this.#add(slot, tx, amount, location, end)
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

  #restoreAccount({ id, count, mean, m2, newest, events, locations }: AccountRecord, undo: UndoLog): void {
    const slot = this.#slotOf(id, undo)
    const needed = HEADER + events.length + locations.length
    const address = this.#pool.allocate(needed)
    const slab = this.#pool.slabs[address >>> SLAB_BITS]
    const base = address & SLAB_MASK
    this.#block[slot] = address
    slab.set([count, mean, m2, newest, events.length / 2, locations.length / 2, blockSize(needed), 0], base)
    let sum = 0
    for (let i = 0; i < events.length; i += 2) {
      sum += events[i + 1]
      slab[base + HEADER + i] = events[i]
      slab[base + HEADER + i + 1] = sum
    }
    const end = base + blockSize(needed)
    for (let i = 0; i < locations.length; i += 2) {
      slab[end - i - 2] = locations[i]
      slab[end - i - 1] = locations[i + 1]
    }
  }

  #slabOf(slot: number): Float64Array {
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
    if (old === 0) {
      const address = this.#pool.allocate(HEADER)
      const slab = this.#pool.slabs[address >>> SLAB_BITS]
      const base = address & SLAB_MASK
      slab.fill(0, base, base + HEADER)
      slab[base + SIZE] = blockSize(HEADER)
      this.#block[slot] = address
    } else {
      this.#block[slot] = this.#copy(old, 0)
    }
  }

  /** Frees the block at an address, now or when the snapshot ends. Its size stands in its header. */
  #release(address: number): void {
    if (this.#heldBack !== null) this.#heldBack.push(address)
    else this.#pool.free(address, this.#pool.slabs[address >>> SLAB_BITS][(address & SLAB_MASK) + SIZE])
  }

  /**
   * Copies a block, leaving out events that no window can reach any more, with room for `extra` doubles.
   * An event that is allowed to be late looks one day further back than the lateness.
   */
  #copy(from: number, extra: number): number {
    const source = this.#pool.slabs[from >>> SLAB_BITS]
    const base = from & SLAB_MASK
    const events = source[base + EVENTS]
    const locations = source[base + LOCATIONS]
    const horizon = source[base + NEWEST] - this.#lateness - DAY
    const first = upperBound(source, base + HEADER, events, horizon)
    const kept = events - first

    const address = this.#pool.allocate(HEADER + 2 * kept + 2 * locations + 2 + extra)
    const size = blockSize(HEADER + 2 * kept + 2 * locations + 2 + extra)
    const target = this.#pool.slabs[address >>> SLAB_BITS]
    const to = address & SLAB_MASK
    for (let i = 0; i < HEADER; i++) target[to + i] = source[base + i]
    target[to + EVENTS] = kept
    target[to + SIZE] = size
    // Running sums start anew at the first event kept: only their differences are used.
    const before = first === 0 ? 0 : source[base + HEADER + 2 * first - 1]
    for (let i = 0, s = base + HEADER + 2 * first, t = to + HEADER; i < kept; i++, s += 2, t += 2) {
      target[t] = source[s]
      target[t + 1] = source[s + 1] - before
    }
    const sourceEnd = base + source[base + SIZE]
    for (let i = 1; i <= 2 * locations; i++) target[to + size - i] = source[sourceEnd - i]
    return address
  }

  /** Adds the transaction to its account: totals always, windows unless it is late (`end` < 0). */
  #add(slot: number, tx: Transaction, amount: number, location: number, end: number): void {
    this.#makeRoom(slot)
    const slab = this.#slabOf(slot)
    const base = this.#block[slot] & SLAB_MASK
    const count = slab[base + COUNT] + 1
    const delta = amount - slab[base + MEAN]
    slab[base + COUNT] = count
    slab[base + MEAN] += delta / count
    slab[base + M2] += delta * (amount - slab[base + MEAN])
    slab[base + NEWEST] = count === 1 ? tx.timestamp : Math.max(slab[base + NEWEST], tx.timestamp)
    if (location >= 0) countLocation(slab, base, location)
    // Making room may have dropped old events: the place is found again, which is free for one that is the newest.
    if (end >= 0) insertEvent(slab, base, tx.timestamp, tx.amount)
  }

  /** Sees to it that the (already copied) block can take one more event and one more location. */
  #makeRoom(slot: number): void {
    const old = this.#block[slot]
    const slab = this.#slabOf(slot)
    const base = old & SLAB_MASK
    const used = HEADER + 2 * slab[base + EVENTS] + 2 * slab[base + LOCATIONS]
    if (used + 4 <= slab[base + SIZE]) return
    // Half as much again, so that a busy account is copied a few times, not for each event.
    this.#block[slot] = this.#copy(old, 4 + (used >> 1))
    this.#release(old)
  }
}
