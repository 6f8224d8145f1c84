import {
  appendCategory,
  appendLocation,
  appendMerchant,
  CATEGORY,
  categoriesAt,
  categoriesOf,
  countOf,
  LOCATION,
  locationsAt,
  locationsOf,
  MERCHANT,
  merchantsAt,
  merchantsOf,
} from './account-block.ts'
import type { Slab } from './block-pool.ts'
import type { Sighting } from './sighting.ts'

/**
 * What an account knows: its last merchants and categories, and its places, each with the last day it was seen.
 * An entry is two numbers of 32 bits: a key and the day. The key of a merchant or category is a hash of its name, of a
 * place its number. A place has a second double: how many transactions were there.
 */

const MOST_MERCHANTS = 16
const MOST_CATEGORIES = 12
/** Places that are counted for an account, at most: somebody who is everywhere must not slow the others down. */
const MOST_LOCATIONS = 64
/** A location is home from this many earlier transactions of the account on. */
const HOME_MINIMUM = 5

export const FNV_BASIS = 0x811c9dc5

/** FNV-1a over the UTF-16 units, 32 bits. Two of an account's names are taken for one with probability 2^-28 or so. */
export function hashOf(name: string, basis = FNV_BASIS): number {
  let hash = basis
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Which of `entries` entries of `step` doubles from `at` on has the key; -1 if none has, or there is no key. */
function indexOf(u32: Uint32Array, at: number, entries: number, step: number, key: number): number {
  if (key === -1) return -1
  for (let i = 0; i < entries; i++) if (u32[2 * (at + step * i)] === key) return i
  return -1
}

/** Looks up what the account knows of the transaction. */
export function recognise(slab: Slab, base: number, seen: Sighting): void {
  const { u32 } = slab
  const merchants = merchantsOf(slab, base)
  seen.merchantAt = indexOf(u32, merchantsAt(slab, base), merchants, MERCHANT, seen.merchant)
  const categories = categoriesOf(slab, base)
  seen.categoryAt = indexOf(u32, categoriesAt(slab, base), categories, CATEGORY, seen.category)
  seen.placeAt = indexOf(u32, locationsAt(base), locationsOf(slab, base), LOCATION, seen.place)
}

/** Doubles that a recognised transaction adds here. */
export function newNames(slab: Slab, base: number, seen: Sighting): number {
  let doubles = 0
  if (seen.merchant !== -1 && seen.merchantAt === -1 && merchantsOf(slab, base) < MOST_MERCHANTS)
    doubles += MERCHANT
  if (seen.category !== -1 && seen.categoryAt === -1 && categoriesOf(slab, base) < MOST_CATEGORIES)
    doubles += CATEGORY
  if (seen.place !== -1 && seen.placeAt === -1 && locationsOf(slab, base) < MOST_LOCATIONS)
    doubles += LOCATION
  return doubles
}

/** How many merchants were seen on a day after `day`. */
export const merchantsSince = (slab: Slab, base: number, day: number): number =>
  seenSince(slab.u32, merchantsAt(slab, base), merchantsOf(slab, base), MERCHANT, day)
/** How many places were. */
export const locationsSince = (slab: Slab, base: number, day: number): number =>
  seenSince(slab.u32, locationsAt(base), locationsOf(slab, base), LOCATION, day)

function seenSince(u32: Uint32Array, at: number, entries: number, step: number, day: number): number {
  let count = 0
  for (let i = 0; i < entries; i++) if (u32[2 * (at + step * i) + 1] > day) count++
  return count
}

/** Adds a recognised transaction. */
export function acquaint(slab: Slab, base: number, seen: Sighting): void {
  const { merchant, merchantAt, category, categoryAt, place, placeAt, day } = seen
  if (merchant !== -1) seeMerchant(slab, base, merchant, merchantAt, day)
  if (category !== -1) seeCategory(slab, base, category, categoryAt, day)
  if (place !== -1) seeLocation(slab, base, place, placeAt, day)
}

function seeMerchant(slab: Slab, base: number, key: number, known: number, day: number): void {
  if (known !== -1) keepNewest(slab.u32, merchantsAt(slab, base) + known, day)
  else if (merchantsOf(slab, base) < MOST_MERCHANTS) write(slab.u32, appendMerchant(slab, base), key, day)
  else write(slab.u32, oldestOf(slab.u32, merchantsAt(slab, base), MOST_MERCHANTS), key, day)
}

function seeCategory(slab: Slab, base: number, key: number, known: number, day: number): void {
  if (known !== -1) keepNewest(slab.u32, categoriesAt(slab, base) + known, day)
  else if (categoriesOf(slab, base) < MOST_CATEGORIES) write(slab.u32, appendCategory(slab, base), key, day)
  else write(slab.u32, oldestOf(slab.u32, categoriesAt(slab, base), MOST_CATEGORIES), key, day)
}

function seeLocation(slab: Slab, base: number, number: number, known: number, day: number): void {
  const { f64, u32 } = slab
  if (known !== -1) {
    const at = locationsAt(base) + LOCATION * known
    keepNewest(u32, at, day)
    f64[at + 1]++
    return
  }
  const isFull = locationsOf(slab, base) === MOST_LOCATIONS
  const at = isFull ? rarestLocation(f64, locationsAt(base)) : appendLocation(slab, base)
  write(u32, at, number, day)
  f64[at + 1] = 1
}

function write(u32: Uint32Array, at: number, key: number, day: number): void {
  u32[2 * at] = key
  u32[2 * at + 1] = day
}

function keepNewest(u32: Uint32Array, at: number, day: number): void {
  if (day > u32[2 * at + 1]) u32[2 * at + 1] = day
}

/** The first of those that were not seen for longest makes room. */
function oldestOf(u32: Uint32Array, at: number, entries: number): number {
  let oldest = at
  for (let i = at + 1; i < at + entries; i++) if (u32[2 * i + 1] < u32[2 * oldest + 1]) oldest = i
  return oldest
}

/** The one with the fewest transactions makes room: a home is not among those. */
function rarestLocation(f64: Float64Array, at: number): number {
  let rarest = at
  for (let i = 1; i < MOST_LOCATIONS; i++) {
    if (f64[at + 2 * i + 1] < f64[rarest + 1]) rarest = at + 2 * i
  }
  return rarest
}

/** Number of the location of more than half of the account's transactions, at least 5 of them; else -1. */
export function homeLocation(slab: Slab, base: number): number {
  const { f64, u32 } = slab
  const count = countOf(slab, base)
  if (count < HOME_MINIMUM) return -1
  const at = locationsAt(base)
  for (let i = 0; i < locationsOf(slab, base); i++) {
    if (2 * f64[at + 2 * i + 1] > count) return u32[2 * (at + 2 * i)]
  }
  return -1
}
