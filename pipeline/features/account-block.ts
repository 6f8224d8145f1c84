import type { Slab } from './block-pool.ts'

/**
 * One account's block, at `base` (in doubles) of its slab:
 *
 *     0 count · 1 priced (transactions with a known amount) · 2 mean · 3 m2 of those · 4 newest event time
 *     5 sum of the capped amounts, for the usual one · 6 time of the newest big one (0: none) · 7 block size
 *     8 events, tiles · 9 locations, merchants · 10 categories (how many of each, 32 bits)
 *     11-18 habits: transactions by hour of the day and day of the week (16 bits)
 *     19... locations (2 doubles each), merchants (1), categories (1), tiles (3), events (2)
 *
 * No number of 32 or 16 bits is so large that the double around it would be a NaN, whose bits a copy may change.
 */

export const COUNT = 0
export const PRICED = 1
export const MEAN = 2
export const M2 = 3
export const NEWEST = 4
export const USUAL_SUM = 5
export const LAST_BIG = 6
export const SIZE = 7
const EVENTS = 16
const TILES = 17
const LOCATIONS = 18
const MERCHANTS = 19
const CATEGORIES = 20
export const HABITS = 11
export const HEADER = 19

/** What a transaction adds at most: a location, a merchant, a category, a tile and an event, in doubles. */
export const MOST_ADDED = 2 + 1 + 1 + 3 + 2

export const eventsOf = (slab: Slab, base: number): number => slab.u32[2 * base + EVENTS]
export const tilesOf = (slab: Slab, base: number): number => slab.u32[2 * base + TILES]
export const locationsOf = (slab: Slab, base: number): number => slab.u32[2 * base + LOCATIONS]
export const merchantsOf = (slab: Slab, base: number): number => slab.u32[2 * base + MERCHANTS]
export const categoriesOf = (slab: Slab, base: number): number => slab.u32[2 * base + CATEGORIES]

/** Where each list begins. */
export const locationsAt = (base: number): number => base + HEADER
export const merchantsAt = (slab: Slab, base: number): number => base + HEADER + 2 * locationsOf(slab, base)
export const categoriesAt = (slab: Slab, base: number): number =>
  merchantsAt(slab, base) + merchantsOf(slab, base)
export const tilesAt = (slab: Slab, base: number): number =>
  categoriesAt(slab, base) + categoriesOf(slab, base)
export const eventsAt = (slab: Slab, base: number): number => tilesAt(slab, base) + 3 * tilesOf(slab, base)
export const endOf = (slab: Slab, base: number): number => eventsAt(slab, base) + 2 * eventsOf(slab, base)

/** Makes room at the end of a list and counts the new entry. @returns where it is to be written */
export function appendLocation(slab: Slab, base: number): number {
  const at = merchantsAt(slab, base)
  openGap(slab, base, at, 2)
  slab.u32[2 * base + LOCATIONS]++
  return at
}
export function appendMerchant(slab: Slab, base: number): number {
  const at = categoriesAt(slab, base)
  openGap(slab, base, at, 1)
  slab.u32[2 * base + MERCHANTS]++
  return at
}
export function appendCategory(slab: Slab, base: number): number {
  const at = tilesAt(slab, base)
  openGap(slab, base, at, 1)
  slab.u32[2 * base + CATEGORIES]++
  return at
}
export function appendTile(slab: Slab, base: number): number {
  const at = eventsAt(slab, base)
  openGap(slab, base, at, 3)
  slab.u32[2 * base + TILES]++
  return at
}
/** @param at where among the events */
export function insertEventAt(slab: Slab, base: number, at: number): void {
  openGap(slab, base, at, 2)
  slab.u32[2 * base + EVENTS]++
}

/** Takes out a tile. */
export function removeTile(slab: Slab, base: number, at: number): void {
  slab.f64.copyWithin(at, at + 3, endOf(slab, base))
  slab.u32[2 * base + TILES]--
}

export function setEvents(slab: Slab, base: number, events: number): void {
  slab.u32[2 * base + EVENTS] = events
}

function openGap(slab: Slab, base: number, at: number, doubles: number): void {
  const end = endOf(slab, base)
  if (at < end) slab.f64.copyWithin(at + doubles, at, end)
}

/** An account without history. */
export function clearBlock(slab: Slab, base: number, size: number): void {
  slab.f64.fill(0, base, base + HEADER)
  slab.f64[base + SIZE] = size
}
