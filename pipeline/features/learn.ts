import { COUNT, LAST_BIG, M2, MEAN, NEWEST, PRICED, USUAL_SUM } from './account-block.ts'
import { seeCategory, seeLocation, seeMerchant } from './acquaintances.ts'
import type { Slab } from './block-pool.ts'
import { usualAmount } from './describe.ts'
import { insertEvent } from './events.ts'
import { BIG_RATIO } from './features.ts'
import { countHabits } from './habits.ts'
import type { Sighting } from './sighting.ts'
import { addToTile, joinTiles } from './tiles.ts'

const DAY = 86_400_000

/** So many times the usual amount counts towards it at most. */
const CAP = 3

/**
 * Adds a transaction to its account, whose block has room for it: totals always, windows unless it is late.
 * @param latenessMs how far behind the newest an event may be and still be asked about
 */
export function learn(slab: Slab, base: number, seen: Sighting, late: boolean, latenessMs: number): void {
  const { f64 } = slab
  const { amount, units, time, day } = seen
  const usual = usualAmount(slab, base)
  const ratio = amount / usual
  const isBig = ratio > BIG_RATIO
  if (!Number.isNaN(amount)) {
    const priced = ++f64[base + PRICED]
    const distance = amount - f64[base + MEAN]
    f64[base + MEAN] += distance / priced
    f64[base + M2] += distance * (amount - f64[base + MEAN])
    f64[base + USUAL_SUM] += Math.min(amount, CAP * usual)
    if (isBig) f64[base + LAST_BIG] = Math.max(f64[base + LAST_BIG], time)
  }
  const isFirst = ++f64[base + COUNT] === 1
  const newest = f64[base + NEWEST]
  if (isFirst || time > newest) {
    f64[base + NEWEST] = time
    const isNewDay = Math.floor(newest / DAY) !== day
    if (!isFirst && isNewDay) joinTiles(slab, base, Math.floor((time - latenessMs) / DAY))
  }
  countHabits(slab, base, time)
  if (seen.merchant !== -1) seeMerchant(slab, base, seen.merchant, day)
  if (seen.category !== -1) seeCategory(slab, base, seen.category, day)
  if (seen.place !== -1) seeLocation(slab, base, seen.place, day)
  if (late) return
  addToTile(slab, base, day, units, seen.channel, ratio, isBig)
  insertEvent(slab, base, time, units)
}
