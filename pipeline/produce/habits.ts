import { DAY, HOUR } from '../../schemas/time.ts'
import { AMOUNT_UNITS, type Channel } from '../../schemas/transaction.ts'
import type { Random } from './random.ts'
import { COSTLY, FAR_CITIES, GAMBLING, HOME_CITIES, type Merchant, type World } from './world.ts'

/** What an account's owner usually does, and sometimes does. */

export interface Account {
  id: string
  home: string
  /** The middle of what it spends at a merchant of level 1, in whole units of the currency. */
  usual: number
  /** Standard deviation of the logarithm of its amounts. */
  spread: number
  gambles: boolean
  favourites: readonly Merchant[]
  /** Purchases a day. */
  perDay: number
  /** The hours of the day, UTC, in which it buys: the first, and how many. */
  wakes: number
  awakeHours: number
  /** Where it travels now, and until when. */
  trip?: { city: string; until: number }
}

export interface Purchase {
  merchant: Merchant
  /** Units of 1/10,000. */
  amount: number
  location: string
  channel: Channel
}

/** Purchases that an account makes a day, in the middle. */
const USUAL_PER_DAY = 2.3

/** Accounts that spend in a day what others spend in a month: no one amount parts fraud from what is usual. */
const RICH = 0.04
const GAMBLERS = 0.12

/** Draws an account's habits. */
export function createAccount(id: string, world: World, random: Random): Account {
  const home = random.pick(HOME_CITIES)
  const rich = random.chance(RICH)
  const gambles = random.chance(GAMBLERS)
  return {
    id,
    home,
    usual: (rich ? 1000 : 28) * Math.exp(0.5 * bounded(random, 2)),
    spread: random.between(0.3, 0.5),
    gambles,
    favourites: drawFavourites(home, gambles, world, random),
    perDay: USUAL_PER_DAY * Math.exp(0.45 * bounded(random, 2.5)),
    wakes: random.integer(5, 9),
    awakeHours: random.integer(11, 15),
  }
}

function drawFavourites(home: string, gambles: boolean, world: World, random: Random): Merchant[] {
  const near = world.inCity.get(home)!.filter((m) => isEveryday(m, gambles))
  const online = world.online.filter((m) => isEveryday(m, gambles))
  const favourites = new Set<Merchant>()
  for (let left = random.integer(3, 8); left > 0; left--) {
    favourites.add(random.pick(random.chance(0.65) ? near : online))
  }
  return [...favourites]
}

/** When an account that was active for so many milliseconds since `start` is: it sleeps outside its hours. */
export function whenActive(account: Account, start: number, active: number): number {
  const awake = account.awakeHours * HOUR
  const days = Math.floor(active / awake)
  return start + days * DAY + account.wakes * HOUR + (active - days * awake)
}

/** Active milliseconds to the account's next purchase. */
export function activeGap(account: Account, random: Random): number {
  return random.exponential((account.awakeHours * HOUR) / account.perDay)
}

/** Purchases that are unusual for the account and yet its own: what makes false alarms. */
const COSTLY_SHARE = 0.0012
const TRIP_SHARE = 0.002
const TRIP_DAYS: [number, number] = [2, 7]

/** What the account buys at this time, by habit or, seldom, out of it. */
export function buy(account: Account, at: number, world: World, random: Random): Purchase {
  if (account.trip !== undefined && account.trip.until < at) account.trip = undefined
  if (account.trip === undefined && random.chance(TRIP_SHARE)) {
    account.trip = { city: random.pick(FAR_CITIES), until: at + random.between(...TRIP_DAYS) * DAY }
  }
  const city = account.trip?.city ?? account.home
  if (random.chance(COSTLY_SHARE)) return buyCostly(account, city, random.between(2, 12), world, random)
  const known = account.trip === undefined && random.chance(0.92)
  const merchant = known
    ? random.pick(account.favourites)
    : pickEveryday(world.inCity.get(city)!, account.gambles, random)
  const amount = account.usual * merchant.category.level * Math.exp(account.spread * bounded(random, 1.8))
  return purchase(merchant, amount, city)
}

/** Something of a costly kind, at so many times the account's mean amount. */
export function buyCostly(
  account: Account,
  city: string,
  times: number,
  world: World,
  random: Random,
): Purchase {
  const shops = random.chance(0.5) ? world.inCity.get(city)! : world.online
  const merchant = random.pick(shops.filter((m) => COSTLY.includes(m.category)))
  return purchase(merchant, times * meanAmount(account), city)
}

/** The account's mean amount, about. */
export const meanAmount = (account: Account): number => account.usual * 1.2

/**
 * A purchase at a merchant.
 * @param amount in whole units of the currency; rounded to cents, cash to notes
 */
export function purchase(merchant: Merchant, amount: number, location: string): Purchase {
  const { channel } = merchant.category
  const euros =
    channel === 'ATM' ? Math.max(10, Math.round(amount / 10) * 10) : Math.round(amount * 100) / 100
  return { merchant, amount: Math.round(euros * AMOUNT_UNITS), location, channel }
}

function pickEveryday(merchants: readonly Merchant[], gambles: boolean, random: Random): Merchant {
  for (;;) {
    const merchant = random.pick(merchants)
    if (isEveryday(merchant, gambles)) return merchant
  }
}

const isEveryday = ({ category }: Merchant, gambles: boolean): boolean =>
  !COSTLY.includes(category) && (gambles || category !== GAMBLING)

/** A standard normal draw within so many deviations: people have limits. */
function bounded(random: Random, deviations: number): number {
  for (;;) {
    const z = random.normal()
    if (Math.abs(z) <= deviations) return z
  }
}
