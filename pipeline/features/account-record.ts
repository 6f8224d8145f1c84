import {
  clearBlock,
  endOf,
  eventsAt,
  eventsOf,
  locationsAt,
  locationsOf,
  NEWEST,
  SIZE,
  setEvents,
} from './account-block.ts'
import type { Slab } from './block-pool.ts'
import { upperBound } from './events.ts'

/** An account apart from where it is kept in memory: its block, the same for the same state. */
export interface AccountRecord {
  id: string
  /** Laid out as the block; no old events, running sums from the first one kept, block size 0. */
  block: Float64Array
}

/**
 * A block as a record: the same for the same state, however many old events the block still holds.
 * @param reach milliseconds before the newest event that some window may still ask about
 */
export function recordOf(id: string, slab: Slab, base: number, reach: number): AccountRecord {
  const first = eventsAt(slab, base)
  const old = upperBound(slab, first, eventsOf(slab, base), slab.f64[base + NEWEST] - reach)
  const block = new Float64Array(endOf(slab, base) - base - 2 * old)
  copyBlock({ from: slab, base, old, to: block, at: 0 })
  block[SIZE] = 0
  setEvents(slabOf(block), 0, eventsOf(slab, base) - old)
  return { id, block }
}

/** Copies a block without its `old` first events; the counts in the header stay as they were. */
export function copyBlock(copy: {
  from: Slab
  base: number
  old: number
  to: Float64Array
  at: number
}): void {
  const { from, base, old, to, at } = copy
  const { f64 } = from
  const events = eventsAt(from, base)
  const end = endOf(from, base)
  for (let source = base, target = at; source < events; source++, target++) to[target] = f64[source]
  // Running sums start anew at the first event kept: only their differences are used.
  const before = old === 0 ? 0 : f64[events + 2 * old - 1]
  let target = at + events - base
  for (let source = events + 2 * old; source < end; source += 2, target += 2) {
    to[target] = f64[source]
    to[target + 1] = f64[source + 1] - before
  }
}

/**
 * Writes a record to a block.
 * @param numberHere the place's number in this process, for the one in the record
 */
export function restoreBlock(
  { block }: AccountRecord,
  slab: Slab,
  base: number,
  size: number,
  numberHere: (number: number) => number,
): void {
  clearBlock(slab, base, size)
  slab.f64.set(block, base)
  slab.f64[base + SIZE] = size
  for (let i = 0; i < locationsOf(slab, base); i++) {
    const at = locationsAt(base) + 2 * i
    slab.u32[2 * at] = numberHere(slab.u32[2 * at])
  }
}

/** The views of a record's own memory. */
export function slabOf(f64: Float64Array): Slab {
  const { buffer } = f64
  return { f64, f32: new Float32Array(buffer), u32: new Uint32Array(buffer), u16: new Uint16Array(buffer) }
}
