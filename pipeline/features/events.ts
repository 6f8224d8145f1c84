import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import { eventsAt, eventsOf, insertEventAt } from './account-block.ts'
import type { Slab } from './block-pool.ts'

/**
 * An account's events of the last days, sorted by event time: time, and the running sum of the amounts (units) up to
 * and with this one. Sums are integers below 2^53, hence exact, and the same however they were added up.
 */

/** A standard deviation looks at so many events of its window, the newest: a busy account must not cost more. */
const DEVIATION_EVENTS = 32

/** Number of events, of the first `events` from `at` on, with a time of at most `time`. */
export function upperBound({ f64 }: Slab, at: number, events: number, time: number): number {
  if (events === 0 || f64[at + 2 * events - 2] <= time) return events
  let low = 0
  let high = events - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (f64[at + 2 * middle] <= time) low = middle + 1
    else high = middle
  }
  return low
}

export function insertEvent(slab: Slab, base: number, time: number, units: number): void {
  const { f64 } = slab
  const first = eventsAt(slab, base)
  const events = eventsOf(slab, base)
  const place = upperBound(slab, first, events, time)
  const at = first + 2 * place
  insertEventAt(slab, base, at)
  f64[at] = time
  f64[at + 1] = (place === 0 ? 0 : f64[at - 1]) + units
  for (let i = at + 3; i < first + 2 * (events + 1); i += 2) f64[i] += units
}

/**
 * Count, sum, mean and sample standard deviation, in currency, of the events after `from`, at `at` and the next three.
 * @param first where the account's events are
 * @param end so many of them may count
 */
export function eventWindow(
  out: Float64Array,
  at: number,
  slab: Slab,
  first: number,
  end: number,
  from: number,
): void {
  const { f64 } = slab
  const start = upperBound(slab, first, end, from)
  const count = end - start
  out[at] = count
  if (count === 0) {
    out[at + 1] = 0
    out[at + 2] = Number.NaN
    out[at + 3] = Number.NaN
    return
  }
  const sum = f64[first + 2 * end - 1] - (start === 0 ? 0 : f64[first + 2 * start - 1])
  out[at + 1] = sum / AMOUNT_UNITS
  out[at + 2] = sum / count / AMOUNT_UNITS
  out[at + 3] = deviationOf(f64, first, Math.max(start, end - DEVIATION_EVENTS), end)
}

/** Sample standard deviation of the events `start` to `end`, in currency; NaN for fewer than two. */
function deviationOf(f64: Float64Array, first: number, start: number, end: number): number {
  const count = end - start
  if (count < 2) return Number.NaN
  const before = start === 0 ? 0 : f64[first + 2 * start - 1]
  const mean = (f64[first + 2 * end - 1] - before) / count
  let squares = 0
  let last = before
  for (let i = first + 2 * start + 1; i < first + 2 * end; i += 2) {
    const distance = f64[i] - last - mean
    squares += distance * distance
    last = f64[i]
  }
  return Math.sqrt(squares / (count - 1)) / AMOUNT_UNITS
}
