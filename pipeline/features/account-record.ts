import {
  EVENT,
  endOf,
  eventsAt,
  eventsOf,
  LOCATION,
  locationsAt,
  locationsOf,
  NEWEST,
  setEvents,
} from './account-block.ts'
import { type Slab, slabOf } from './block-pool.ts'
import { upperBound } from './events.ts'

/** An account apart from where it is kept in memory: its block, the same for the same state. */
export interface AccountRecord {
  id: string
  /** Laid out as the block; no old events, running sums from the first one kept. */
  block: Float64Array
}

/**
 * A block as a record: the same for the same state, however many old events the block still holds.
 * @param reach milliseconds before the newest event that some window may still ask about
 */
export function recordOf(id: string, slab: Slab, base: number, reach: number): AccountRecord {
  const first = eventsAt(slab, base)
  const old = upperBound(slab, first, eventsOf(slab, base), slab.f64[base + NEWEST] - reach)
  const block = new Float64Array(endOf(slab, base) - base - EVENT * old)
  copyBlock(slab, base, old, slabOf(block), 0)
  return { id, block }
}

/** Copies a block without its `old` first events. */
export function copyBlock(from: Slab, base: number, old: number, to: Slab, at: number): void {
  const source = from.f64
  const target = to.f64
  const step = at - base
  const end = endOf(from, base)
  if (old === 0) {
    for (let i = base; i < end; i++) target[i + step] = source[i]
    return
  }
  const events = eventsAt(from, base)
  for (let i = base; i < events; i++) target[i + step] = source[i]
  setEvents(to, at, eventsOf(from, base) - old)
  // Running sums start anew at the first event kept: only their differences are used.
  const before = source[events + EVENT * old - 1]
  for (let i = events + EVENT * old, k = events + step; i < end; i += EVENT, k += EVENT) {
    target[k] = source[i]
    target[k + 1] = source[i + 1] - before
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
  numberHere: (number: number) => number,
): void {
  slab.f64.set(block, base)
  for (let i = 0; i < locationsOf(slab, base); i++) {
    const at = locationsAt(base) + LOCATION * i
    slab.u32[2 * at] = numberHere(slab.u32[2 * at])
  }
}
