import { HOUR } from '../../schemas/time.ts'
import { HABITS } from './account-block.ts'
import type { Slab } from './block-pool.ts'

/** At what hours (UTC) and on what days of the week an account is active: 24 and 7 numbers of 16 bits. */

const HOURS = 24
const WEEKDAYS = 7
/** Then all are halved: they stay in 16 bits, and old habits count less. */
const MOST = 32_000
/** A share of fewer transactions says nothing. */
const ENOUGH = 10

const hourOf = (time: number): number => ((time / HOUR) | 0) % HOURS
/** 1970 began on a Thursday. */
const weekdayOf = (time: number): number => (((time / (HOUR * HOURS)) | 0) + 4) % WEEKDAYS

export function countHabits(slab: Slab, base: number, time: number): void {
  const { u16 } = slab
  const at = 4 * (base + HABITS)
  const hour = at + hourOf(time)
  const weekday = at + HOURS + weekdayOf(time)
  u16[hour]++
  u16[weekday]++
  if (u16[hour] < MOST && u16[weekday] < MOST) return
  for (let i = at; i < at + HOURS + WEEKDAYS; i++) u16[i] >>= 1
}

/** Share of the account's transactions within an hour of this time of day; NaN while there are few. */
export function hourShare(slab: Slab, base: number, time: number): number {
  const { u16 } = slab
  const at = 4 * (base + HABITS)
  const total = sumOf(u16, at, HOURS)
  if (total < ENOUGH) return Number.NaN
  const hour = hourOf(time)
  const near = u16[at + ((hour + HOURS - 1) % HOURS)] + u16[at + hour] + u16[at + ((hour + 1) % HOURS)]
  return near / total
}

/** Share of the account's transactions on this day of the week; NaN while there are few. */
export function weekdayShare(slab: Slab, base: number, time: number): number {
  const at = 4 * (base + HABITS) + HOURS
  const total = sumOf(slab.u16, at, WEEKDAYS)
  return total < ENOUGH ? Number.NaN : slab.u16[at + weekdayOf(time)] / total
}

function sumOf(u16: Uint16Array, at: number, numbers: number): number {
  let sum = 0
  for (let i = at; i < at + numbers; i++) sum += u16[i]
  return sum
}
