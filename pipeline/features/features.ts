/**
 * The features of a transaction, in the order of a row in `Batch.features`.
 * Unknown is NaN: it hits no rule, is null in JSON, and the models have their own value for it.
 *
 * | name | formula | unit | at no history |
 * |---|---|---|---|
 * | amount | the transaction's amount | currency | - |
 * | account_count | earlier transactions of the account in its partition | count | 0 |
 * | account_mean | mean amount of those | currency | NaN |
 * | deviation | (amount - account_mean) / sample standard deviation of those | - | NaN, also while it is 0 |
 * | count_1h, count_24h | earlier transactions with event time in (t - W, t] | count | 0 |
 * | sum_1h, sum_24h | their amounts added | currency | 0 |
 * | away_from_home | 1 if location is not home, 0 if it is; home = location of more than half of at least 5 earlier transactions | - | NaN, also at an empty location |
 * | late | 1 if the event is more than ALLOWED_LATENESS behind the account's newest: windows are then NaN | - | 0 |
 *
 * "Earlier" is by offset: what stood before it in its partition, whatever the event times.
 */
export const FEATURES = [
  'amount',
  'account_count',
  'account_mean',
  'deviation',
  'count_1h',
  'sum_1h',
  'count_24h',
  'sum_24h',
  'away_from_home',
  'late',
] as const
export type Feature = (typeof FEATURES)[number]

/** Column of each feature in a row. */
export const F = Object.fromEntries(FEATURES.map((name, at) => [name, at])) as Record<Feature, number>
export const FEATURE_COUNT = FEATURES.length
