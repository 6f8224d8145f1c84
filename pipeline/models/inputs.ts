import { F } from '../features/features.ts'

/**
 * What the isolation forest sees, made from a row of features. All inputs are relative to the account, so that a
 * forest trained on one population is not startled by another's level of prices; unknown is the value of a quiet
 * transaction. Logarithms, because the forest splits uniformly between the smallest and the largest value.
 */
export const FOREST_INPUTS = [
  'amount_ratio_log',
  'deviation',
  'count_1h_log',
  'spend_24h_log',
  'away_from_home',
  'bursts_log',
  'merchant_frauds_log',
] as const

/** Earlier transactions from which on an account's habits are trusted. */
const TRUSTED_FROM = 5

/** Writes the inputs for the row of features at `at` into `out`. */
export function forestInputs(features: Float64Array, at: number, out: Float64Array): void {
  const amount = orZero(features[at + F.amount])
  const usual = features[at + F.usual_amount]
  const trusted = features[at + F.account_count] >= TRUSTED_FROM
  const deviation = features[at + F.deviation]
  const sum24h = features[at + F.sum_24h]
  out[0] = trusted ? Math.log((amount + 1) / (usual + 1)) : 0
  out[1] = trusted && !Number.isNaN(deviation) ? Math.min(Math.max(deviation, -3), 12) : 0
  out[2] = Math.log1p(orZero(features[at + F.count_1h]))
  // How many usual transactions today's spending is worth, this one included; saturates, as busy accounts are no news.
  out[3] = trusted ? Math.min(Math.log((orZero(sum24h) + amount + 1) / (usual + 1)), 3) : 0
  out[4] = orZero(features[at + F.away_from_home])
  out[5] = trusted ? Math.log1p(orZero(features[at + F.big_14d])) : 0
  out[6] = Math.log1p(orZero(features[at + F.run_frauds]))
}

const orZero = (value: number): number => (Number.isNaN(value) ? 0 : value)
