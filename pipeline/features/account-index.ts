import { randomInt } from 'node:crypto'
import type { Transaction } from '../../schemas/transaction.ts'
import { hashOf } from './acquaintances.ts'

/**
 * The numbers of accounts, from 0 on, by their ids: a hash table with linear probing, whose memory can be read ahead,
 * unlike a Map's. A number that became free is given again.
 */
export class AccountIndex {
  /** Entries of two: an id's hash, and 1 + the account's number (0: a free entry). */
  #table = new Uint32Array(2 * 1024)
  readonly #ids: string[] = []
  readonly #free: number[] = []
  readonly #basis: number

  /** @param basis of the hashes: by chance, so that nobody can choose ids that fall on the same place */
  constructor(basis = randomInt(2 ** 32)) {
    this.#basis = basis
  }

  get size(): number {
    return this.#ids.length - this.#free.length
  }

  /** One more than the highest number so far. */
  get end(): number {
    return this.#ids.length
  }

  /** Without the ids. */
  get bytes(): number {
    return this.#table.byteLength
  }

  idOf(account: number): string {
    return this.#ids[account]
  }

  /** @returns its number, -1 if there is no such account */
  find(id: string): number {
    return this.#table[2 * this.#entryOf(id) + 1] - 1
  }

  /**
   * Where the accounts of transactions probably are, by the hashes alone. All are looked up side by side, so that the
   * processor waits for its memory once, not for each.
   * @param accounts gets their numbers, -1 for none
   * @returns of no meaning, but that what is read is used
   */
  lookAhead(transactions: readonly Transaction[], from: number, until: number, accounts: Int32Array): number {
    const table = this.#table
    const ids = this.#ids
    let used = 0
    for (let i = from; i < until; i++) {
      const hash = hashOf(transactions[i].account_id, this.#basis)
      accounts[i - from] = hash
      used += table[2 * this.#placeOf(hash)]
    }
    for (let i = 0; i < until - from; i++) {
      const account = table[2 * this.#entryOfHash(accounts[i] >>> 0) + 1] - 1
      accounts[i] = account
      if (account !== -1) used += ids[account].length
    }
    return used
  }

  /** @param id of an account that is not there */
  add(id: string): number {
    // At most three of four entries are taken.
    if (8 * (this.size + 1) > 3 * this.#table.length) this.#grow()
    const account = this.#free.pop() ?? this.#ids.length
    this.#ids[account] = id
    const entry = this.#entryOf(id)
    this.#table[2 * entry] = hashOf(id, this.#basis)
    this.#table[2 * entry + 1] = account + 1
    return account
  }

  remove(account: number): void {
    const table = this.#table
    const mask = table.length / 2 - 1
    let hole = this.#entryOf(this.#ids[account])
    // What had to go past it moves up, or it would not be found.
    for (let entry = (hole + 1) & mask; table[2 * entry + 1] !== 0; entry = (entry + 1) & mask) {
      const past = (entry - this.#placeOf(table[2 * entry])) & mask
      if (past < ((entry - hole) & mask)) continue
      table[2 * hole] = table[2 * entry]
      table[2 * hole + 1] = table[2 * entry + 1]
      hole = entry
    }
    table[2 * hole + 1] = 0
    this.#ids[account] = ''
    this.#free.push(account)
  }

  /** The entry of the id, or the free one where it would be. */
  #entryOf(id: string): number {
    const table = this.#table
    const mask = table.length / 2 - 1
    const hash = hashOf(id, this.#basis)
    let entry = this.#placeOf(hash)
    while (table[2 * entry + 1] !== 0) {
      if (table[2 * entry] === hash && this.#ids[table[2 * entry + 1] - 1] === id) break
      entry = (entry + 1) & mask
    }
    return entry
  }

  /** The first entry with the hash, or the free one after those that have others. */
  #entryOfHash(hash: number): number {
    const table = this.#table
    const mask = table.length / 2 - 1
    let entry = this.#placeOf(hash)
    while (table[2 * entry + 1] !== 0 && table[2 * entry] !== hash) entry = (entry + 1) & mask
    return entry
  }

  /** The highest bits of a multiple (Knuth, The Art of Computer Programming 3, 6.4): the lowest ones of ids are alike. */
  #placeOf(hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> (Math.clz32(this.#table.length) + 2)
  }

  #grow(): void {
    const old = this.#table
    this.#table = new Uint32Array(2 * old.length)
    const mask = old.length - 1
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue
      let entry = this.#placeOf(old[i])
      while (this.#table[2 * entry + 1] !== 0) entry = (entry + 1) & mask
      this.#table[2 * entry] = old[i]
      this.#table[2 * entry + 1] = old[i + 1]
    }
  }
}
