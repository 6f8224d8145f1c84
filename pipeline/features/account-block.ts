import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { AccountRecord } from './state-codec.ts'

/**
 * One account's block, at `base` of its slab:
 *
 *     0 count · 1 mean · 2 m2 · 3 newest event time · 4 events · 5 locations · 6 block size · 7 unused
 *     8 ...   events, sorted by event time: time, running sum of the amounts up to and with this event (units)
 *     ... end locations, growing downwards: location number, how many transactions were there
 */

export const COUNT = 0
export const MEAN = 1
export const M2 = 2
export const NEWEST = 3
export const EVENTS = 4
export const LOCATIONS = 5
export const SIZE = 6
export const HEADER = 8

/** A location is home from this many earlier transactions of the account on. */
const HOME_MINIMUM = 5
/** Locations that are counted for an account, at most: somebody who is everywhere must not slow the others down. */
const MOST_LOCATIONS = 64

/** Events in (from, end): their number and the sum of their amounts, in currency units, at `at` and `at + 1`. */
export function windowInto(
  out: Float64Array,
  at: number,
  slab: Float64Array,
  base: number,
  end: number,
  from: number,
): void {
  if (end < 0) {
    out[at] = Number.NaN
    out[at + 1] = Number.NaN
    return
  }
  const start = upperBound(slab, base + HEADER, end, from)
  out[at] = end - start
  const before = start === 0 ? 0 : slab[base + HEADER + 2 * start - 1]
  out[at + 1] = end === start ? 0 : (slab[base + HEADER + 2 * end - 1] - before) / AMOUNT_UNITS
}

/** Number of events, of the first `events` from `at` on, with a time of at most `time`. */
export function upperBound(slab: Float64Array, at: number, events: number, time: number): number {
  if (events === 0 || slab[at + 2 * events - 2] <= time) return events
  let low = 0
  let high = events - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (slab[at + 2 * middle] <= time) low = middle + 1
    else high = middle
  }
  return low
}

export function insertEvent(slab: Float64Array, base: number, time: number, units: number): void {
  const first = base + HEADER
  const events = slab[base + EVENTS]
  const place = upperBound(slab, first, events, time)
  const at = first + 2 * place
  for (let i = first + 2 * events - 2; i >= at; i -= 2) {
    slab[i + 2] = slab[i]
    slab[i + 3] = slab[i + 1] + units
  }
  slab[at] = time
  slab[at + 1] = (place === 0 ? 0 : slab[at - 1]) + units
  slab[base + EVENTS] = events + 1
}

export function countLocation(slab: Float64Array, base: number, location: number): void {
  const end = base + slab[base + SIZE]
  const locations = slab[base + LOCATIONS]
  for (let i = 1; i <= locations; i++) {
    if (slab[end - 2 * i] === location) {
      slab[end - 2 * i + 1]++
      return
    }
  }
  if (locations === MOST_LOCATIONS) {
    forgetRarest(slab, end, location)
    return
  }
  slab[base + LOCATIONS] = locations + 1
  slab[end - 2 * (locations + 1)] = location
  slab[end - 2 * (locations + 1) + 1] = 1
}

/** Puts the location in the place of the one with the fewest transactions: a home is not among those. */
function forgetRarest(slab: Float64Array, end: number, location: number): void {
  let rarest = 1
  for (let i = 2; i <= MOST_LOCATIONS; i++) {
    if (slab[end - 2 * i + 1] < slab[end - 2 * rarest + 1]) rarest = i
  }
  slab[end - 2 * rarest] = location
  slab[end - 2 * rarest + 1] = 1
}

/** Number of the location of more than half of the account's transactions, at least 5 of them; else -1. */
export function homeLocation(slab: Float64Array, base: number): number {
  const count = slab[base + COUNT]
  if (count < HOME_MINIMUM) return -1
  const end = base + slab[base + SIZE]
  for (let i = 1; i <= slab[base + LOCATIONS]; i++) {
    if (2 * slab[end - 2 * i + 1] > count) return slab[end - 2 * i]
  }
  return -1
}

/** A block as a record: the same for the same state, however many old events the block still holds. */
export function recordOf(id: string, slab: Float64Array, base: number, reach: number): AccountRecord {
  const first = base + HEADER
  const count = slab[base + EVENTS]
  const events: number[] = []
  for (let i = upperBound(slab, first, count, slab[base + NEWEST] - reach); i < count; i++) {
    const before = i === 0 ? 0 : slab[first + 2 * i - 1]
    events.push(slab[first + 2 * i], slab[first + 2 * i + 1] - before)
  }
  const end = base + slab[base + SIZE]
  const locations: number[] = []
  for (let i = 1; i <= slab[base + LOCATIONS]; i++) locations.push(slab[end - 2 * i], slab[end - 2 * i + 1])
  return {
    id,
    count: slab[base + COUNT],
    mean: slab[base + MEAN],
    m2: slab[base + M2],
    newest: slab[base + NEWEST],
    events,
    locations,
  }
}
