import { DAY } from '../../schemas/time.ts'
import { addCount, addPriced, EVENT, LAST_BIG, M2, MEAN, NEWEST, TILE, USUAL_SUM } from './account-block.ts'
import { acquaint, newNames } from './acquaintances.ts'
import type { Slab } from './block-pool.ts'
import { usualAmount } from './describe.ts'
import { insertEvent } from './events.ts'
import { isBigRatio } from './features.ts'
import { countHabits } from './habits.ts'
import type { Sighting } from './sighting.ts'
import { addToTile, joinTiles } from './tiles.ts'

/** So many times the usual amount counts towards it at most. */
const CAP = 3

/** Doubles by which {@link learn} lengthens the block at most, once the transaction was described. */
export const roomFor = (slab: Slab, base: number, seen: Sighting, late: boolean): number =>
  newNames(slab, base, seen) + (late ? 0 : EVENT + (seen.isKnownDay ? 0 : TILE))

/**
 * Adds a described transaction to its account, whose block has room for it: totals always, windows unless it is late.
 * @param latenessMs how far behind the newest an event may be and still be asked about
 */
export function learn(slab: Slab, base: number, seen: Sighting, late: boolean, latenessMs: number): void {
  const { f64 } = slab
  const { amount, units, time, day } = seen
  const usual = usualAmount(slab, base)
  const ratio = amount / usual
  const isBig = isBigRatio(ratio)
  if (!Number.isNaN(amount)) {
    const priced = addPriced(slab, base)
    const distance = amount - f64[base + MEAN]
    f64[base + MEAN] += distance / priced
    f64[base + M2] += distance * (amount - f64[base + MEAN])
    f64[base + USUAL_SUM] += Math.min(amount, CAP * usual)
    if (isBig) f64[base + LAST_BIG] = Math.max(f64[base + LAST_BIG], time)
  }
  const isFirst = addCount(slab, base) === 1
  const newest = f64[base + NEWEST]
  if (isFirst || time > newest) {
    f64[base + NEWEST] = time
    const isNewDay = Math.floor(newest / DAY) !== day
    if (!isFirst && isNewDay) joinTiles(slab, base, Math.floor((time - latenessMs) / DAY))
  }
  countHabits(slab, base, time)
  acquaint(slab, base, seen)
  if (late) return
  addToTile(slab, base, day, units, seen.channel, ratio, isBig)
  insertEvent(slab, base, time, units)
}
