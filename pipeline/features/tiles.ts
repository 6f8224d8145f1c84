import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import { appendTile, removeTile, TILE, tilesAt, tilesOf } from './account-block.ts'
import type { Slab } from './block-pool.ts'
import { F } from './features.ts'

/**
 * What an account did on one day: what windows of days are made of, so that they cost the same for a busy account.
 * Days that only the window of 30 days reaches are joined in blocks of four.
 *
 *     0 day (17 bits), channels (5 bits, one each), big ones (10 bits) · transactions (32 bits)
 *     1 m2: squared distances from their mean, in currency (32-bit float) · highest ratio (32-bit float)
 *     2 sum of the amounts in units
 *
 * m2 is kept around the tile's own mean and joined by the formula of Chan, Golub and LeVeque (Updating Formulae and a
 * Pairwise Algorithm for Computing Sample Variances, 1979), so 32 bits of it are enough; equal amounts have exactly 0.
 */
const DAY_MASK = 0x1ffff
const CHANNEL_SHIFT = 17
const CHANNEL_MASK = 0x1f
const BIG_SHIFT = 22
const MOST_BIG = 1023

/** The last day of the block of four days, counted from 1970, in which the day is. */
const blockEnd = (day: number): number => day | 3

/** Adds a transaction to its day. @param ratio amount_ratio; NaN if unknown */
export function addToTile(
  slab: Slab,
  base: number,
  day: number,
  units: number,
  channel: number,
  ratio: number,
  isBig: boolean,
): void {
  const at = findTile(slab, base, day)
  const { f64, f32, u32 } = slab
  const count = u32[2 * at + 1]
  const sum = f64[at + 2]
  if (count > 0) {
    const amount = units / AMOUNT_UNITS
    const before = amount - sum / count / AMOUNT_UNITS
    const after = amount - (sum + units) / (count + 1) / AMOUNT_UNITS
    f32[2 * at + 2] += before * after
  }
  let meta = u32[2 * at] | (1 << (CHANNEL_SHIFT + channel))
  if (isBig && meta >>> BIG_SHIFT < MOST_BIG) meta += 1 << BIG_SHIFT
  u32[2 * at] = meta
  u32[2 * at + 1] = count + 1
  if (ratio > f32[2 * at + 3]) f32[2 * at + 3] = ratio
  f64[at + 2] = sum + units
}

function findTile(slab: Slab, base: number, day: number): number {
  const { f64, u32 } = slab
  const first = tilesAt(slab, base)
  // Newest last, mostly: the day is found at once.
  for (let i = tilesOf(slab, base) - 1; i >= 0; i--) {
    const at = first + TILE * i
    if ((u32[2 * at] & DAY_MASK) === day) return at
  }
  const at = appendTile(slab, base)
  u32[2 * at] = day
  u32[2 * at + 1] = 0
  f64[at + 1] = 0
  f64[at + 2] = 0
  return at
}

/**
 * As the account's newest day moves on: joins the days that only the window of 30 days can reach, drops what none can.
 * Called at the same transaction whatever the batches, since joining rounds.
 * @param horizon the earliest day that an event in time may have
 */
export function joinTiles(slab: Slab, base: number, horizon: number): void {
  const { u32 } = slab
  const first = tilesAt(slab, base)
  for (let i = 0; i < tilesOf(slab, base); i++) {
    const at = first + TILE * i
    const day = u32[2 * at] & DAY_MASK
    const end = blockEnd(day)
    if (end <= horizon - 30) {
      removeTile(slab, base, at)
      i--
    } else if (end <= horizon - 14) {
      u32[2 * at] = (u32[2 * at] & ~DAY_MASK) | end
      const earlier = earlierOf(u32, first, i, end)
      if (earlier === -1) continue
      join(slab, earlier, at)
      removeTile(slab, base, at)
      i--
    }
  }
}

/** Where the block's tile is among the first ones; -1 if it is not there. */
function earlierOf(u32: Uint32Array, first: number, tiles: number, end: number): number {
  for (let at = first; at < first + TILE * tiles; at += TILE) if ((u32[2 * at] & DAY_MASK) === end) return at
  return -1
}

function join({ f64, f32, u32 }: Slab, into: number, from: number): void {
  const [count, more] = [u32[2 * into + 1], u32[2 * from + 1]]
  const [sum, added] = [f64[into + 2], f64[from + 2]]
  const distance = (added / more - sum / count) / AMOUNT_UNITS
  f32[2 * into + 2] += f32[2 * from + 2] + ((distance * distance * count) / (count + more)) * more
  f32[2 * into + 3] = Math.max(f32[2 * into + 3], f32[2 * from + 3])
  // Channels and large amounts are asked for of single days alone.
  u32[2 * into + 1] = count + more
  f64[into + 2] = sum + added
}

/** Bits of a number of five bits. */
const BITS = Uint8Array.from({ length: 32 }, (_, n) => n.toString(2).replaceAll('0', '').length)

/**
 * Writes the features of windows of days for a transaction of the day into the row at `at`.
 * @returns whether the day has a tile
 */
export function tileWindows(
  out: Float64Array,
  at: number,
  slab: Slab,
  base: number,
  day: number,
  amount: number,
): boolean {
  const { f64, f32, u32 } = slab
  const first = tilesAt(slab, base)
  const end = first + TILE * tilesOf(slab, base)
  let [count7, sum7, count30, sum30] = [0, 0, 0, 0]
  let [count14, big3, big14, ratio14, channels] = [0, 0, 0, 0, 0]
  let isKnown = false
  for (let tile = first; tile < end; tile += TILE) {
    const meta = u32[2 * tile]
    const tileDay = meta & DAY_MASK
    const age = day - tileDay
    if (age < 0 || blockEnd(tileDay) <= day - 30) continue
    count30 += u32[2 * tile + 1]
    sum30 += f64[tile + 2]
    if (age >= 14) continue
    count14 += u32[2 * tile + 1]
    big14 += meta >>> BIG_SHIFT
    if (f32[2 * tile + 3] > ratio14) ratio14 = f32[2 * tile + 3]
    if (age >= 7) continue
    count7 += u32[2 * tile + 1]
    sum7 += f64[tile + 2]
    channels |= (meta >>> CHANNEL_SHIFT) & CHANNEL_MASK
    if (age < 3) big3 += meta >>> BIG_SHIFT
    if (age === 0) isKnown = true
  }
  // Squared distances from the windows' own means: those within a tile, and the tile's from the mean.
  const [mean7, mean30] = [sum7 / count7, sum30 / count30]
  let [m7, m30] = [0, 0]
  for (let tile = first; tile < end; tile += TILE) {
    const tileDay = u32[2 * tile] & DAY_MASK
    const age = day - tileDay
    if (age < 0 || blockEnd(tileDay) <= day - 30) continue
    const count = u32[2 * tile + 1]
    const mean = f64[tile + 2] / count
    const distance = (mean - mean30) / AMOUNT_UNITS
    m30 += f32[2 * tile + 2] + distance * distance * count
    if (age >= 7) continue
    const distance7 = (mean - mean7) / AMOUNT_UNITS
    m7 += f32[2 * tile + 2] + distance7 * distance7 * count
  }
  writeMoments(out, at + F.count_7d, count7, sum7, m7)
  writeMoments(out, at + F.count_30d, count30, sum30, m30)
  const std = out[at + F.std_30d]
  out[at + F.z_30d] = std > 0 ? (amount - out[at + F.mean_30d]) / std : Number.NaN
  out[at + F.count_14d] = count14
  out[at + F.big_3d] = big3
  out[at + F.big_14d] = big14
  out[at + F.max_ratio_14d] = ratio14
  out[at + F.channels_7d] = BITS[channels]
  return isKnown
}

function writeMoments(out: Float64Array, at: number, count: number, sum: number, m2: number): void {
  out[at] = count
  out[at + 1] = sum / AMOUNT_UNITS
  out[at + 2] = count > 0 ? sum / count / AMOUNT_UNITS : Number.NaN
  out[at + 3] = count > 1 ? Math.sqrt(m2 / (count - 1)) : Number.NaN
}
