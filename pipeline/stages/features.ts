import { DAY, HOUR } from '../../schemas/time.ts'
import type { Batch } from '../batch.ts'
import { AHEAD } from '../features/account-states.ts'
import { FEATURE_COUNT } from '../features/features.ts'
import { fillMerchant, type References } from '../features/merchant-features.ts'
import { BUILD_FROM_HOUR } from '../features/reference-day.ts'
import { takeRows } from '../features/row-arrays.ts'

/** The stage: gives the batch the references of its transactions' days, waiting for those that are not loaded. */
export function features(references: References): (batch: Batch) => Batch | Promise<Batch> {
  return function addFeatures(batch) {
    const missing = takeReferences(batch, references)
    const last = batch.transactions.at(-1)
    if (last !== undefined && last.timestamp % DAY >= BUILD_FROM_HOUR * HOUR)
      references.expect?.(Math.floor(last.timestamp / DAY) + 1)
    if (missing.length === 0) return computeFeatures(batch)
    // Before any state is touched: this one waits, and what is behind it with it.
    return loadReferences(batch, missing, references).then(() => computeFeatures(batch))
  }
}

/** @returns the days whose reference must be loaded first */
function takeReferences(batch: Batch, references: References): number[] {
  const missing: number[] = []
  let last = Number.NaN
  for (const { timestamp } of batch.transactions) {
    const day = Math.floor(timestamp / DAY)
    if (day === last) continue
    last = day
    if (batch.references.has(day)) continue
    const reference = references.get(day)
    batch.references.set(day, reference ?? null)
    if (reference === undefined) missing.push(day)
  }
  return missing
}

async function loadReferences(batch: Batch, days: number[], references: References): Promise<void> {
  days.sort((a, b) => a - b)
  const loaded = await references.load(days)
  for (const [i, day] of days.entries()) batch.references.set(day, loaded[i])
}

/**
 * Features of every row, in order, each from the account's state before it. The batch is then among its partition's
 * judged ones until it is committed or undone. Where it has no references, nothing is known of merchants.
 */
export function computeFeatures(batch: Batch): Batch {
  const { states } = batch.owner
  const undo = states.begin()
  const features = takeRows(batch.transactions.length)
  const homes = new Int32Array(batch.transactions.length)
  let day = Number.NaN
  let reference = null
  for (let row = 0; row < batch.transactions.length; row++) {
    const tx = batch.transactions[row]
    const at = row * FEATURE_COUNT
    if (row % AHEAD === 0) states.lookAhead(batch.transactions, row)
    homes[row] = states.observe(tx, undo, features, at)
    const itsDay = Math.floor(tx.timestamp / DAY)
    if (itsDay !== day) {
      day = itsDay
      reference = batch.references.get(day) ?? null
    }
    fillMerchant(features, at, reference, tx)
  }
  batch.features = features
  batch.homes = homes
  batch.undo = undo
  batch.owner.judged.push(batch)
  return batch
}
