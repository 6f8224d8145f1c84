import {
  appendCategory,
  appendLocation,
  appendMerchant,
  COUNT,
  categoriesAt,
  categoriesOf,
  locationsAt,
  locationsOf,
  merchantsAt,
  merchantsOf,
} from './account-block.ts'
import type { Slab } from './block-pool.ts'

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

/** FNV-1a over the UTF-16 units, 32 bits. Two of an account's names are taken for one with probability 2^-28 or so. */
export function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Where the key is among `entries` of `step` doubles from `at` on; -1 if it is not. */
function indexOf(u32: Uint32Array, at: number, entries: number, step: number, key: number): number {
  for (let i = 0; i < entries; i++) if (u32[2 * (at + step * i)] === key) return at + step * i
  return -1
}

export const findMerchant = (slab: Slab, base: number, key: number): number =>
  indexOf(slab.u32, merchantsAt(slab, base), merchantsOf(slab, base), 1, key)
export const findCategory = (slab: Slab, base: number, key: number): number =>
  indexOf(slab.u32, categoriesAt(slab, base), categoriesOf(slab, base), 1, key)
export const findLocation = (slab: Slab, base: number, key: number): number =>
  indexOf(slab.u32, locationsAt(base), locationsOf(slab, base), 2, key)

/** How many merchants were seen on a day after `day`. */
export const merchantsSince = (slab: Slab, base: number, day: number): number =>
  seenSince(slab.u32, merchantsAt(slab, base), merchantsOf(slab, base), 1, day)
/** How many places were. */
export const locationsSince = (slab: Slab, base: number, day: number): number =>
  seenSince(slab.u32, locationsAt(base), locationsOf(slab, base), 2, day)

function seenSince(u32: Uint32Array, at: number, entries: number, step: number, day: number): number {
  let count = 0
  for (let i = 0; i < entries; i++) if (u32[2 * (at + step * i) + 1] > day) count++
  return count
}

export function seeMerchant(slab: Slab, base: number, key: number, day: number): void {
  const known = findMerchant(slab, base, key)
  if (known !== -1) keepNewest(slab.u32, known, day)
  else if (merchantsOf(slab, base) < MOST_MERCHANTS) write(slab.u32, appendMerchant(slab, base), key, day)
  else write(slab.u32, oldestOf(slab.u32, merchantsAt(slab, base), MOST_MERCHANTS), key, day)
}

export function seeCategory(slab: Slab, base: number, key: number, day: number): void {
  const known = findCategory(slab, base, key)
  if (known !== -1) keepNewest(slab.u32, known, day)
  else if (categoriesOf(slab, base) < MOST_CATEGORIES) write(slab.u32, appendCategory(slab, base), key, day)
  else write(slab.u32, oldestOf(slab.u32, categoriesAt(slab, base), MOST_CATEGORIES), key, day)
}

export function seeLocation(slab: Slab, base: number, number: number, day: number): void {
  const { f64, u32 } = slab
  const known = findLocation(slab, base, number)
  if (known !== -1) {
    keepNewest(u32, known, day)
    f64[known + 1]++
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
  const count = f64[base + COUNT]
  if (count < HOME_MINIMUM) return -1
  const at = locationsAt(base)
  for (let i = 0; i < locationsOf(slab, base); i++) {
    if (2 * f64[at + 2 * i + 1] > count) return u32[2 * (at + 2 * i)]
  }
  return -1
}
