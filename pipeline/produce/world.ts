import type { Channel } from '../../schemas/transaction.ts'
import type { Random } from './random.ts'

/** The places and merchants that the simulated accounts know. */

export interface Category {
  name: string
  channel: Channel
  /** What is spent here, as a multiple of the account's usual amount. */
  level: number
  /** How often accounts have such a merchant among their favourites, relative to the others. */
  weight: number
}

export interface Merchant {
  id: string
  category: Category
  /** Where its customers stand; undefined for one without a shop. */
  location: string | undefined
}

export interface World {
  merchants: readonly Merchant[]
  inCity: ReadonlyMap<string, readonly Merchant[]>
  online: readonly Merchant[]
}

const category = (name: string, channel: Channel, level: number, weight: number): Category => ({
  name,
  channel,
  level,
  weight,
})

export const GAMBLING = category('Gambling', 'CARD_PRESENT', 1, 1)

const CATEGORIES: readonly Category[] = [
  category('Groceries', 'CARD_PRESENT', 1, 10),
  category('Restaurants', 'CARD_PRESENT', 0.9, 8),
  category('Fuel', 'CARD_PRESENT', 1.2, 4),
  category('Transport', 'CARD_PRESENT', 0.7, 3),
  category('Pharmacy', 'CARD_PRESENT', 0.7, 3),
  category('Clothing', 'CARD_PRESENT', 1.3, 3),
  category('Cash', 'ATM', 1.3, 3),
  category('Streaming', 'ECOMMERCE', 0.7, 4),
  category('Marketplace', 'ECOMMERCE', 1.1, 6),
  category('Utilities', 'TRANSFER', 1.4, 3),
  GAMBLING,
]

/** What people buy seldom, and for much more than usual: holidays, furniture. Fraudsters buy it, too. */
export const COSTLY: readonly Category[] = [
  category('Travel', 'ECOMMERCE', 1, 0),
  category('Furniture', 'CARD_PRESENT', 1, 0),
  category('Electronics', 'ECOMMERCE', 1, 0),
  category('Jewelry', 'CARD_PRESENT', 1, 0),
]

export const HOME_CITIES: readonly string[] = [
  'Helsinki',
  'Espoo',
  'Tampere',
  'Turku',
  'Oulu',
  'Stockholm',
  'Göteborg',
  'Tallinn',
  'Riga',
  'Hamburg',
  'Berlin',
  'Amsterdam',
]

/** Where people travel, and where stolen cards are used. */
export const FAR_CITIES: readonly string[] = [
  'London',
  'Barcelona',
  'Athens',
  'New York',
  'Dubai',
  'Singapore',
  'Las Vegas',
]

const SHOPS_PER_CITY = 24
const ONLINE_SHOPS = 60

/** Merchants of every kind in every city, and some without a shop. */
export function createWorld(random: Random): World {
  const merchants: Merchant[] = []
  const add = (of: Category, location: string | undefined): Merchant => {
    const merchant = { id: `m-${String(merchants.length + 1).padStart(4, '0')}`, category: of, location }
    merchants.push(merchant)
    return merchant
  }
  const isShop = (c: Category) => c.channel === 'CARD_PRESENT' || c.channel === 'ATM'
  const shops = CATEGORIES.filter(isShop)
  const inCity = new Map<string, Merchant[]>()
  for (const city of [...HOME_CITIES, ...FAR_CITIES]) {
    const local = [...shops, ...COSTLY.filter(isShop)].map((c) => add(c, city))
    while (local.length < SHOPS_PER_CITY) local.push(add(pickWeighted(random, shops), city))
    inCity.set(city, local)
  }
  const remote = CATEGORIES.filter((c) => !isShop(c))
  const online = [...remote, ...COSTLY.filter((c) => !isShop(c))].map((c) => add(c, undefined))
  while (online.length < ONLINE_SHOPS) online.push(add(pickWeighted(random, remote), undefined))
  return { merchants, inCity, online }
}

function pickWeighted(random: Random, categories: readonly Category[]): Category {
  let left = random.unit() * categories.reduce((sum, c) => sum + c.weight, 0)
  for (const c of categories) {
    left -= c.weight
    if (left < 0) return c
  }
  return categories[0]
}
