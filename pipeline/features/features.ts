/**
 * The features of a transaction, in the order of a row in `Batch.features`.
 * Unknown is NaN: it hits no rule, is null in JSON, and the models have their own way with it.
 *
 * "Earlier" is by offset: what stood before it in its partition, whatever the event times. t is the event time, d its
 * day (UTC). Amounts are in BASE_CURRENCY by the table of rates ({@link file://./rates.ts}); a currency without a rate
 * makes `amount` unknown, and the transaction counts with amount 0 in the windows and not at all in means over all time.
 *
 * | name | formula | unit | at no history |
 * |---|---|---|---|
 * | amount | the transaction's amount | currency | - |
 * | account_count | earlier transactions of the account | count | 0 |
 * | account_mean | mean amount of those (Welford) | currency | NaN |
 * | deviation | (amount - account_mean) / sample standard deviation of those | - | NaN, also while it is 0 |
 * | usual_amount | (S + 3 x 50) / (n + 3); S adds min(amount, 3 x usual_amount then) of each earlier one: fraud does not pull it up | currency | 50 |
 * | amount_ratio | amount / usual_amount | - | amount / 50 |
 * | count_, sum_, mean_, std_ 1h, 24h | earlier ones with event time in (t - W, t]: how many, their amounts added, mean, sample standard deviation (of the newest 32 of them) | count, currency | 0, 0, NaN, NaN |
 * | count_, sum_, mean_, std_ 7d | the same for the days d - 6 to d | | 0, 0, NaN, NaN |
 * | count_, sum_, mean_, std_ 30d | the same for the days up to d, from the block of four days (since 1970) on in which d - 29 is | | 0, 0, NaN, NaN |
 * | z_30d | (amount - mean_30d) / std_30d | - | NaN, also while that is 0 |
 * | count_14d | earlier ones of the days d - 13 to d | count | 0 |
 * | big_3d, big_14d | how many of those of 3 and 14 days were big: amount_ratio > 2.2, in 32 bits; a day counts 1023 at most | count | 0 |
 * | max_ratio_14d | the highest amount_ratio of 14 days, in 32 bits | - | 0 |
 * | hours_since_big | hours since the newest big one, at least 0 | hours | NaN |
 * | seconds_since_last | seconds since the account's newest event, at least 0 | seconds | NaN |
 * | merchants_7d | different merchants, of the 16 last ones, whose newest visit was on day d - 6 or later | count | 0 |
 * | places_7d | different places likewise, of at most 64 | count | 0 |
 * | channels_7d | different channels of the days d - 6 to d | count | 0 |
 * | new_merchant, new_category | 1 if it is not among the 16 last merchants, 12 last categories; 0 if it is | - | 1; NaN without one |
 * | new_place | 1 if the account was never there (of 64 places), 0 if it was | - | 1; NaN without one |
 * | hour_share | share of earlier ones at the same hour of the day (UTC), the hour before or after | 0..1 | NaN before 10 |
 * | weekday_share | share of earlier ones on the same day of the week | 0..1 | NaN before 10 |
 * | away_from_home | 1 if location is not home, 0 if it is; home = location of more than half of at least 5 earlier transactions | - | NaN, also at an empty location |
 * | late | 1 if the event is more than ALLOWED_LATENESS behind the account's newest: windows and what is counted by days are then NaN, and it enters no window | - | 0 |
 * | merchant_known_30d | the merchant's transactions of the event days k - 29 to k that are known; k is the day LABEL_DELAY_DAYS before d | count | 0 |
 * | merchant_risk_30d | share of frauds among those | 0..1 | NaN |
 * | merchant_plain_frauds_28d | plain frauds of the days k - 27 to k | count | 0 |
 * | run_frauds | frauds of the merchant's run | count | 0 |
 * | run_age_days | t less the time of the run's first fraud | days | NaN; without a run |
 * | run_slack_days | the run's first fraud less the last genuine one before it | days | NaN; without a run |
 * | known_gap_days | t less the time of the newest known one | days | NaN |
 * | last_label | 1 if the newest known one is a fraud, 0 if it is genuine | - | NaN |
 *
 * Those of the merchant are of all accounts' transactions with it. One is known at t when it happened LABEL_DELAY_DAYS
 * x 24 h before t or earlier: as a fraud if it was labelled so by the beginning of the day on which it became known, else
 * as genuine. A fraud label that comes later leaves that as it is and counts from the day after it came on, as one more
 * fraud, as if that had happened the delay before it came. Of a merchant without one for 45 event days nothing is known. A
 * fraud is plain that was not big. A run begins with a plain fraud, grows by any fraud, and ends at a genuine one; the order
 * is that of event times, at the same time genuine, plain, other. All are NaN without a merchant. See
 * {@link file://./reference-day.ts}.
 *
 * usual_amount, amount_ratio, big_, max_ratio_, hours_since_big and z_30d are what carries detection of unusual spending
 * on the public data of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine
 * Learning for Credit Card Fraud Detection, 2022); windows over 1, 7 and 30 days are that book's.
 */
export const FEATURES = [
  'amount',
  'account_count',
  'account_mean',
  'deviation',
  'usual_amount',
  'amount_ratio',
  'count_1h',
  'sum_1h',
  'mean_1h',
  'std_1h',
  'count_24h',
  'sum_24h',
  'mean_24h',
  'std_24h',
  'count_7d',
  'sum_7d',
  'mean_7d',
  'std_7d',
  'count_30d',
  'sum_30d',
  'mean_30d',
  'std_30d',
  'z_30d',
  'count_14d',
  'big_3d',
  'big_14d',
  'max_ratio_14d',
  'hours_since_big',
  'seconds_since_last',
  'merchants_7d',
  'places_7d',
  'channels_7d',
  'new_merchant',
  'new_category',
  'new_place',
  'hour_share',
  'weekday_share',
  'away_from_home',
  'late',
  'merchant_known_30d',
  'merchant_risk_30d',
  'merchant_plain_frauds_28d',
  'run_frauds',
  'run_age_days',
  'run_slack_days',
  'known_gap_days',
  'last_label',
] as const
export type Feature = (typeof FEATURES)[number]

/** Column of each feature in a row. */
export const F = Object.fromEntries(FEATURES.map((name, at) => [name, at])) as Record<Feature, number>
export const FEATURE_COUNT = FEATURES.length

const BIG_RATIO = Math.fround(2.2)

/** Whether a transaction was big for its account, by its amount_ratio: in the 32 bits that the table keeps of it. */
export const isBigRatio = (ratio: number): boolean => Math.fround(ratio) > BIG_RATIO
