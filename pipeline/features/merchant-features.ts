import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { F } from './features.ts'
import { createMerchantState } from './merchant-fold.ts'
import type { Known, ReferenceDay } from './reference-day.ts'

/** The references that the stream's transactions need. */
export interface References {
  /** Of the day (since 1970, UTC); null if there is none; undefined while it is not loaded. */
  get(day: number): ReferenceDay | null | undefined
  /** All of these days, earliest first: each may be made of the one before. */
  load(days: readonly number[]): Promise<(ReferenceDay | null)[]>
  /** Told that the day will be needed soon: what takes long is begun, so that nobody waits for it then. */
  expect?(day: number): void
}

/** For a stream without labels. */
export const NO_REFERENCES: References = {
  get: () => null,
  load: async (days) => days.map(() => null),
}

const known: Known = { ...createMerchantState(), known: 0, frauds: 0, plainFrauds: 0 }

/**
 * Writes what was known of the transaction's merchant at its event time, as features.ts defines it, into the row at
 * `at`.
 * @param reference that of the transaction's event day
 */
export function fillMerchant(
  features: Float64Array,
  at: number,
  reference: ReferenceDay | null,
  tx: Transaction,
): void {
  const { merchant_id: merchant, timestamp: time } = tx
  if (reference === null || merchant === null || merchant === '') {
    features.fill(Number.NaN, at + F.merchant_known_30d, at + F.last_label + 1)
    return
  }
  const isKnown = reference.at(merchant, time, known)
  features[at + F.merchant_known_30d] = isKnown ? known.known : 0
  features[at + F.merchant_risk_30d] = isKnown && known.known > 0 ? known.frauds / known.known : Number.NaN
  features[at + F.merchant_plain_frauds_28d] = isKnown ? known.plainFrauds : 0
  features[at + F.run_frauds] = isKnown ? known.runFrauds : 0
  features[at + F.run_age_days] = isKnown ? (time - known.firstFraud) / DAY : Number.NaN
  features[at + F.run_slack_days] = isKnown ? known.slack / DAY : Number.NaN
  features[at + F.known_gap_days] = isKnown ? (time - known.lastTime) / DAY : Number.NaN
  features[at + F.last_label] = isKnown ? known.lastLabel : Number.NaN
}
