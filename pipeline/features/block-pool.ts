/**
 * Memory for the accounts' states: blocks of doubles in large slabs, sizes in powers of two, freed blocks used again.
 * An address is `slab << SLAB_BITS | offset`, a 32-bit number (up to 32 GiB); 0 is no block.
 */

/** Doubles in a slab (8 MiB). A larger block gets a slab of its own. */
export const SLAB_BITS = 20
const SLAB = 2 ** SLAB_BITS
export const SLAB_MASK = SLAB - 1
const SMALLEST = 5 // 2^5 doubles

export class BlockPool {
  /** Slab 0 stays empty, so that address 0 is none. */
  readonly slabs: Float64Array[] = [new Float64Array(0)]
  /** Free addresses by size class (log2). */
  readonly #free: number[][] = []
  #slab = 0
  #next = SLAB

  /** @returns the address of a block of at least `doubles`; its contents are whatever was there */
  allocate(doubles: number): number {
    const sizeClass = sizeClassOf(doubles)
    const reused = this.#free[sizeClass]?.pop()
    if (reused !== undefined) return reused
    const size = 2 ** sizeClass
    if (size > SLAB) {
      this.slabs.push(new Float64Array(size))
      return ((this.slabs.length - 1) << SLAB_BITS) >>> 0
    }
    if (this.#next + size > SLAB) {
      this.#slab = this.slabs.push(new Float64Array(SLAB)) - 1
      this.#next = 0
    }
    const address = ((this.#slab << SLAB_BITS) | this.#next) >>> 0
    this.#next += size
    return address
  }

  free(address: number, doubles: number): void {
    const sizeClass = sizeClassOf(doubles)
    this.#free[sizeClass] ??= []
    this.#free[sizeClass].push(address)
  }

  /** Bytes held from the system. */
  get bytes(): number {
    return this.slabs.reduce((sum, slab) => sum + slab.byteLength, 0)
  }
}

/** Doubles that a block for `doubles` really has. */
export const blockSize = (doubles: number): number => 2 ** sizeClassOf(doubles)

const sizeClassOf = (doubles: number): number => Math.max(SMALLEST, 32 - Math.clz32(doubles - 1))
