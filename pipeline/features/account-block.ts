import type { Slab } from './block-pool.ts'

/**
 * One account's block, at `base` (in doubles) of its slab:
 *
 *     0 count · priced: transactions with a known amount (32 bits each) · 1 mean · 2 m2 of those
 *     3 newest event time · 4 sum of the capped amounts, for the usual one · 5 time of the newest big one (0: none)
 *     6 how many events (32 bits), tiles, locations (16 bits)
 *     7-14 habits: transactions by hour of the day and day of the week (31 numbers of 16 bits); then, in 16 bits,
 *         how many merchants (low 8), categories (high 8)
 *     15... locations (2 doubles each), merchants (1), categories (1), tiles (3), events (2)
 *
 * No number of 32 or 16 bits is so large that the double around it would be a NaN, whose bits a copy may change.
 */

/** In numbers of 32 bits. */
const COUNT = 0
const PRICED = 1
/** In doubles. */
export const MEAN = 1
export const M2 = 2
export const NEWEST = 3
export const USUAL_SUM = 4
export const LAST_BIG = 5
export const HABITS = 7
export const HEADER = 15
/** In numbers of 32, 16 bits. */
const EVENTS = 12
const TILES = 26
const LOCATIONS = 27
const NAMES = 59
const ONE_CATEGORY = 0x100

/** What an entry of each list takes, in doubles. */
export const LOCATION = 2
export const MERCHANT = 1
export const CATEGORY = 1
export const TILE = 3
export const EVENT = 2

export const countOf = (slab: Slab, base: number): number => slab.u32[2 * base + COUNT]
export const pricedOf = (slab: Slab, base: number): number => slab.u32[2 * base + PRICED]
/** @returns how many there are now */
export const addCount = (slab: Slab, base: number): number => ++slab.u32[2 * base + COUNT]
export const addPriced = (slab: Slab, base: number): number => ++slab.u32[2 * base + PRICED]

export const eventsOf = (slab: Slab, base: number): number => slab.u32[2 * base + EVENTS]
export const tilesOf = (slab: Slab, base: number): number => slab.u16[4 * base + TILES]
export const locationsOf = (slab: Slab, base: number): number => slab.u16[4 * base + LOCATIONS]
export const merchantsOf = (slab: Slab, base: number): number => slab.u16[4 * base + NAMES] & 0xff
export const categoriesOf = (slab: Slab, base: number): number => slab.u16[4 * base + NAMES] >>> 8

/** Where each list begins. */
export const locationsAt = (base: number): number => base + HEADER
export const merchantsAt = (slab: Slab, base: number): number =>
  base + HEADER + LOCATION * locationsOf(slab, base)
export const categoriesAt = (slab: Slab, base: number): number =>
  merchantsAt(slab, base) + merchantsOf(slab, base)
export const tilesAt = (slab: Slab, base: number): number =>
  categoriesAt(slab, base) + categoriesOf(slab, base)
export const eventsAt = (slab: Slab, base: number): number => tilesAt(slab, base) + TILE * tilesOf(slab, base)
export const endOf = (slab: Slab, base: number): number => eventsAt(slab, base) + EVENT * eventsOf(slab, base)

/** Makes room at the end of a list and counts the new entry. @returns where it is to be written */
export function appendLocation(slab: Slab, base: number): number {
  const at = merchantsAt(slab, base)
  openGap(slab, at, endOf(slab, base), LOCATION)
  slab.u16[4 * base + LOCATIONS]++
  return at
}
export function appendMerchant(slab: Slab, base: number): number {
  const at = categoriesAt(slab, base)
  openGap(slab, at, endOf(slab, base), MERCHANT)
  slab.u16[4 * base + NAMES]++
  return at
}
export function appendCategory(slab: Slab, base: number): number {
  const at = tilesAt(slab, base)
  openGap(slab, at, endOf(slab, base), CATEGORY)
  slab.u16[4 * base + NAMES] += ONE_CATEGORY
  return at
}
export function appendTile(slab: Slab, base: number): number {
  const at = eventsAt(slab, base)
  openGap(slab, at, endOf(slab, base), TILE)
  slab.u16[4 * base + TILES]++
  return at
}
/** @param at where among the events */
export function insertEventAt(slab: Slab, base: number, at: number): void {
  openGap(slab, at, endOf(slab, base), EVENT)
  slab.u32[2 * base + EVENTS]++
}

/** Takes out a tile. */
export function removeTile(slab: Slab, base: number, at: number): void {
  const { f64 } = slab
  const end = endOf(slab, base)
  if (end - at > SHORT) f64.copyWithin(at, at + TILE, end)
  else for (let i = at + TILE; i < end; i++) f64[i - TILE] = f64[i]
  slab.u16[4 * base + TILES]--
}

export function setEvents(slab: Slab, base: number, events: number): void {
  slab.u32[2 * base + EVENTS] = events
}

/** What is moved is mostly short: a call of copyWithin costs more than that. */
const SHORT = 128

function openGap({ f64 }: Slab, at: number, end: number, doubles: number): void {
  if (end - at > SHORT) f64.copyWithin(at + doubles, at, end)
  else for (let i = end - 1; i >= at; i--) f64[i + doubles] = f64[i]
}
