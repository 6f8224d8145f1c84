/**
 * Memory for the accounts' states: blocks in large slabs, freed blocks used again. Sizes go in steps of 64 bytes up to
 * 2 KiB, above in powers of two. An address is `slab << SLAB_BITS | offset`, counted in doubles, a 32-bit number (up to
 * 32 GiB); 0 is no block.
 */

/** Doubles in a slab (8 MiB). A larger block gets a slab of its own. */
export const SLAB_BITS = 20
const SLAB = 2 ** SLAB_BITS
export const SLAB_MASK = SLAB - 1
const STEP = 8
const LARGEST_STEP = 256

/** The same memory, seen as numbers of different widths. */
export interface Slab {
  readonly f64: Float64Array
  readonly f32: Float32Array
  readonly u32: Uint32Array
  readonly u16: Uint16Array
}

export class BlockPool {
  /** Slab 0 stays empty, so that address 0 is none. */
  readonly slabs: Slab[] = [createSlab(0)]
  /** Free addresses by size class. */
  readonly #free: number[][] = []
  #slab = 0
  #next = SLAB

  /** @returns the address of a block of at least `doubles`; its contents are whatever was there */
  allocate(doubles: number): number {
    const size = blockSize(doubles)
    const reused = this.#free[sizeClassOf(doubles)]?.pop()
    if (reused !== undefined) return reused
    if (size > SLAB) {
      this.slabs.push(createSlab(size))
      return ((this.slabs.length - 1) << SLAB_BITS) >>> 0
    }
    if (this.#next + size > SLAB) {
      this.#slab = this.slabs.push(createSlab(SLAB)) - 1
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
    return this.slabs.reduce((sum, slab) => sum + slab.f64.byteLength, 0)
  }
}

function createSlab(doubles: number): Slab {
  const f64 = new Float64Array(doubles)
  const { buffer } = f64
  return { f64, f32: new Float32Array(buffer), u32: new Uint32Array(buffer), u16: new Uint16Array(buffer) }
}

/** Doubles that a block for `doubles` really has. */
export const blockSize = (doubles: number): number =>
  doubles <= LARGEST_STEP ? STEP * Math.ceil(doubles / STEP) : 2 ** (32 - Math.clz32(doubles - 1))

/** Steps of 64 bytes first, then one class for each power of two. */
const sizeClassOf = (doubles: number): number =>
  doubles <= LARGEST_STEP ? Math.ceil(doubles / STEP) : LARGEST_STEP + 32 - Math.clz32(doubles - 1)
