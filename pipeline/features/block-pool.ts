import { classFor, PAGE, PAGE_BITS, SIZE_CLASSES, sizeOfClass } from './size-classes.ts'

/**
 * Memory for the accounts' states: blocks in large slabs, freed blocks used again.
 *
 * A block of up to 8 KiB lies in a page, whose blocks are all of one size. Accounts outgrow a size together, and what
 * they leave must serve the next one: a page that is wholly free is given to any size. The page where a block was freed
 * last is filled first, hence those that are nearly full, and the others run dry. A larger block has pages of its own
 * and serves only its own size again.
 *
 * An address is `slab << SLAB_BITS | offset`, counted in doubles, a 32-bit number (up to 32 GiB); 0 is no block.
 */

/** Doubles in a slab (8 MiB). A larger block gets a slab of its own. */
export const SLAB_BITS = 20
const SLAB = 2 ** SLAB_BITS
export const SLAB_MASK = SLAB - 1
const PAGES_OF_SLAB = SLAB / PAGE
/** An address is a number of 32 bits. */
const MOST_SLABS = 2 ** (32 - SLAB_BITS)

/** The same memory, seen as numbers of different widths. */
export interface Slab {
  readonly f64: Float64Array
  readonly f32: Float32Array
  readonly u32: Uint32Array
  readonly u16: Uint16Array
}

export function slabOf({ buffer }: Float64Array): Slab {
  return {
    f64: new Float64Array(buffer),
    f32: new Float32Array(buffer),
    u32: new Uint32Array(buffer),
    u16: new Uint16Array(buffer),
  }
}

/** What is known of a page, by its number (address / PAGE); page 0 is none. */
const SIZE_CLASS = 0
const USED = 1
/** Which of its blocks are free, a bit each: not in the blocks, whose memory would have to be waited for. */
const FREE = 2
/** Its neighbours in the list of the pages of its class that have a free block. */
const NEXT = 4
const PREVIOUS = 5
const NUMBERS = 6

export class BlockPool {
  /** Slab 0 stays empty, so that address 0 is none. */
  readonly slabs: Slab[] = [slabOf(new Float64Array(0))]
  #pages = new Uint32Array(NUMBERS * PAGES_OF_SLAB)
  /** The first page with a free block, by size class. */
  readonly #open = new Uint32Array(SIZE_CLASSES)
  readonly #freePages: number[] = []
  /** Pages of the newest slab that were never used: from, until. */
  #fresh = 0
  #end = 0
  /** Freed blocks larger than a page, by size class. */
  readonly #large: number[][] = []

  /** @returns the address of a block of at least `doubles`; its contents are whatever was there */
  allocate(doubles: number): number {
    const sizeClass = classFor(doubles)
    const size = sizeOfClass(sizeClass)
    if (size > PAGE) return this.#large[sizeClass]?.pop() ?? this.#allocateLarge(sizeClass, size)
    const page = this.#openFor(sizeClass) || this.#openPage(sizeClass, size)
    const pages = this.#pages
    const at = NUMBERS * page
    const word = at + FREE + (pages[at + FREE] === 0 ? 1 : 0)
    const bit = 31 - Math.clz32(pages[word])
    pages[word] ^= 1 << bit
    pages[at + USED]++
    if ((pages[at + FREE] | pages[at + FREE + 1]) === 0) this.#unlink(at)
    return page * PAGE + sizeOfClass(pages[at + SIZE_CLASS]) * (bit + 32 * (word - at - FREE))
  }

  free(address: number): void {
    const pages = this.#pages
    const page = address >>> PAGE_BITS
    const at = NUMBERS * page
    const sizeClass = pages[at + SIZE_CLASS]
    const size = sizeOfClass(sizeClass)
    if (size > PAGE) {
      this.#large[sizeClass] ??= []
      this.#large[sizeClass].push(address)
      return
    }
    if ((pages[at + FREE] | pages[at + FREE + 1]) === 0) this.#link(page)
    const block = ((address & (PAGE - 1)) / size) | 0
    pages[at + FREE + (block >>> 5)] |= 1 << (block & 31)
    if (--pages[at + USED] > 0) return
    this.#unlink(at)
    this.#freePages.push(page)
  }

  /** Doubles that the block at an address has. */
  sizeOf(address: number): number {
    return sizeOfClass(this.#pages[NUMBERS * (address >>> PAGE_BITS) + SIZE_CLASS])
  }

  /** Bytes held from the system. */
  get bytes(): number {
    return this.slabs.reduce((sum, slab) => sum + slab.f64.byteLength, this.#pages.byteLength)
  }

  /** A page with a free block that will do, of up to a third more, rather than open another; 0 if there is none. */
  #openFor(sizeClass: number): number {
    const last = sizeClass - (sizeClass >> 2)
    for (let open = sizeClass; open >= last; open--) if (this.#open[open] !== 0) return this.#open[open]
    return 0
  }

  /** Gives a page without blocks to a size class. */
  #openPage(sizeClass: number, size: number): number {
    const page = this.#freePages.pop() ?? this.#freshPages(1)
    const at = NUMBERS * page
    const blocks = Math.floor(PAGE / size)
    this.#pages[at + SIZE_CLASS] = sizeClass
    this.#pages[at + FREE] = blocks < 32 ? 2 ** blocks - 1 : 0xffffffff
    this.#pages[at + FREE + 1] = 2 ** Math.max(0, blocks - 32) - 1
    this.#link(page)
    return page
  }

  /** Puts a page before the others of its class. */
  #link(page: number): void {
    const pages = this.#pages
    const at = NUMBERS * page
    const next = this.#open[pages[at + SIZE_CLASS]]
    pages[at + NEXT] = next
    pages[at + PREVIOUS] = 0
    if (next !== 0) pages[NUMBERS * next + PREVIOUS] = page
    this.#open[pages[at + SIZE_CLASS]] = page
  }

  #unlink(at: number): void {
    const pages = this.#pages
    const next = pages[at + NEXT]
    const previous = pages[at + PREVIOUS]
    if (next !== 0) pages[NUMBERS * next + PREVIOUS] = previous
    if (previous !== 0) pages[NUMBERS * previous + NEXT] = next
    else this.#open[pages[at + SIZE_CLASS]] = next
  }

  #allocateLarge(sizeClass: number, size: number): number {
    const page = size > SLAB ? this.#newSlab(size) : this.#freshPages(size / PAGE)
    this.#pages[NUMBERS * page + SIZE_CLASS] = sizeClass
    return page * PAGE
  }

  /** @returns the first of so many pages that lie one after another */
  #freshPages(count: number): number {
    if (this.#fresh + count > this.#end) {
      for (let page = this.#fresh; page < this.#end; page++) this.#freePages.push(page)
      this.#fresh = this.#newSlab(SLAB)
      this.#end = this.#fresh + PAGES_OF_SLAB
    }
    const first = this.#fresh
    this.#fresh += count
    return first
  }

  /** @returns its first page */
  #newSlab(doubles: number): number {
    if (this.slabs.length === MOST_SLABS)
      throw new RangeError('a partition has too many accounts: their states take 32 GiB')
    const slab = this.slabs.push(slabOf(new Float64Array(doubles))) - 1
    const numbers = NUMBERS * PAGES_OF_SLAB * (slab + 1)
    if (numbers > this.#pages.length) {
      const old = this.#pages
      this.#pages = new Uint32Array(2 * numbers)
      this.#pages.set(old)
    }
    return slab * PAGES_OF_SLAB
  }
}
