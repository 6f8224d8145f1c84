import { DAY, HOUR, SECOND } from '../../schemas/time.ts'
import {
  countOf,
  eventsAt,
  eventsOf,
  LAST_BIG,
  M2,
  MEAN,
  NEWEST,
  pricedOf,
  USUAL_SUM,
} from './account-block.ts'
import { homeLocation, locationsSince, merchantsSince, recognise } from './acquaintances.ts'
import type { Slab } from './block-pool.ts'
import { eventWindow, upperBound } from './events.ts'
import { F } from './features.ts'
import { hourShare, weekdayShare } from './habits.ts'
import type { Sighting } from './sighting.ts'
import { tileWindows } from './tiles.ts'

/** The usual amount of an account without history, in currency, and for how many transactions that stands. */
const PRIOR_AMOUNT = 50
const PRIOR_WEIGHT = 3

/** The account's usual amount, which neither one large purchase nor a fraud moves much. */
export function usualAmount(slab: Slab, base: number): number {
  return (slab.f64[base + USUAL_SUM] + PRIOR_WEIGHT * PRIOR_AMOUNT) / (pricedOf(slab, base) + PRIOR_WEIGHT)
}

/** Whether the event is too far behind its account's newest for the windows. */
export const isLate = (slab: Slab, base: number, time: number, latenessMs: number): boolean =>
  countOf(slab, base) > 0 && time < slab.f64[base + NEWEST] - latenessMs

/**
 * Writes the features of a transaction, as features.ts defines them, into the row at `at`: the account's state is what
 * it was before. Notes in `seen` what of it the account knows.
 * @returns the number of the account's home, -1 if it has none
 */
export function describe(
  out: Float64Array,
  at: number,
  slab: Slab,
  base: number,
  seen: Sighting,
  late: boolean,
): number {
  const { f64 } = slab
  const { amount, time, day } = seen
  const count = countOf(slab, base)
  const priced = pricedOf(slab, base)
  const usual = usualAmount(slab, base)
  out[at + F.amount] = amount
  out[at + F.account_count] = count
  out[at + F.account_mean] = priced > 0 ? f64[base + MEAN] : Number.NaN
  const deviation = priced > 1 ? Math.sqrt(f64[base + M2] / (priced - 1)) : 0
  out[at + F.deviation] = deviation > 0 ? (amount - f64[base + MEAN]) / deviation : Number.NaN
  out[at + F.usual_amount] = usual
  out[at + F.amount_ratio] = amount / usual
  out[at + F.late] = late ? 1 : 0
  if (late) out.fill(Number.NaN, at + F.count_1h, at + F.max_ratio_14d + 1)
  else {
    const first = eventsAt(slab, base)
    const end = upperBound(slab, first, eventsOf(slab, base), time)
    eventWindow(out, at + F.count_1h, slab, first, end, time - HOUR)
    eventWindow(out, at + F.count_24h, slab, first, end, time - DAY)
    seen.isKnownDay = tileWindows(out, at, slab, base, day, amount)
  }
  const big = f64[base + LAST_BIG]
  out[at + F.hours_since_big] = big > 0 ? Math.max(0, time - big) / HOUR : Number.NaN
  out[at + F.seconds_since_last] = count > 0 ? Math.max(0, time - f64[base + NEWEST]) / SECOND : Number.NaN
  out[at + F.hour_share] = hourShare(slab, base, time)
  out[at + F.weekday_share] = weekdayShare(slab, base, time)
  return describeAcquaintances(out, at, slab, base, seen, late)
}

function describeAcquaintances(
  out: Float64Array,
  at: number,
  slab: Slab,
  base: number,
  seen: Sighting,
  late: boolean,
): number {
  const { day, place } = seen
  recognise(slab, base, seen)
  out[at + F.merchants_7d] = late ? Number.NaN : merchantsSince(slab, base, day - 7)
  out[at + F.places_7d] = late ? Number.NaN : locationsSince(slab, base, day - 7)
  if (late) out[at + F.channels_7d] = Number.NaN
  out[at + F.new_merchant] = newness(seen.merchant, seen.merchantAt)
  out[at + F.new_category] = newness(seen.category, seen.categoryAt)
  out[at + F.new_place] = newness(place, seen.placeAt)
  const home = homeLocation(slab, base)
  out[at + F.away_from_home] = home === -1 || place === -1 ? Number.NaN : home === place ? 0 : 1
  return home
}

/** 1 for something that is not known, 0 for something that is, NaN for nothing. */
const newness = (key: number, found: number): number => (key === -1 ? Number.NaN : found === -1 ? 1 : 0)
