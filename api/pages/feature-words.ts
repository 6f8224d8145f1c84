/**
 * What features are called for people, and what their numbers are of, in the order in which an analyst reads them. How each
 * is computed stands in the pipeline's features.ts, whose names these are.
 */

/** How a number is shown. */
export type Unit =
  | 'money'
  | 'count'
  | 'times'
  | 'deviations'
  | 'seconds'
  | 'hours'
  | 'days'
  | 'share'
  | 'yes or no'
  | 'fraud or genuine'
  | 'text'

interface FeatureGroup {
  title: string
  words: Readonly<Record<string, { label: string; unit: Unit }>>
}

export const FEATURE_GROUPS: readonly FeatureGroup[] = [
  {
    title: 'This amount',
    words: {
      amount: { label: 'amount', unit: 'money' },
      usual_amount: { label: 'usual amount', unit: 'money' },
      amount_ratio: { label: 'amount, compared with the usual one', unit: 'times' },
      account_mean: { label: 'mean amount of all before', unit: 'money' },
      deviation: { label: 'amount, above that mean', unit: 'deviations' },
      mean_30d: { label: 'mean amount, 30 days', unit: 'money' },
      z_30d: { label: 'amount, above the mean of 30 days', unit: 'deviations' },
    },
  },
  {
    title: 'Pace',
    words: {
      count_1h: { label: 'transactions, hour before', unit: 'count' },
      sum_1h: { label: 'total, hour before', unit: 'money' },
      count_24h: { label: 'transactions, 24 hours before', unit: 'count' },
      sum_24h: { label: 'total, 24 hours before', unit: 'money' },
      count_7d: { label: 'transactions, 7 days', unit: 'count' },
      sum_7d: { label: 'total, 7 days', unit: 'money' },
      count_14d: { label: 'transactions, 14 days', unit: 'count' },
      count_30d: { label: 'transactions, 30 days', unit: 'count' },
      sum_30d: { label: 'total, 30 days', unit: 'money' },
      seconds_since_last: { label: 'since the transaction before', unit: 'seconds' },
      account_count: { label: 'all transactions before', unit: 'count' },
    },
  },
  {
    title: 'Large amounts',
    words: {
      big_3d: { label: 'large ones, 3 days', unit: 'count' },
      big_14d: { label: 'large ones, 14 days', unit: 'count' },
      max_ratio_14d: { label: 'largest in 14 days, compared with the usual amount', unit: 'times' },
      hours_since_big: { label: 'since the last large one', unit: 'hours' },
    },
  },
  {
    title: 'Places, merchants and times',
    words: {
      home: { label: 'home', unit: 'text' },
      away_from_home: { label: 'away from home', unit: 'yes or no' },
      new_place: { label: 'place is new to the account', unit: 'yes or no' },
      new_merchant: { label: 'merchant is new to the account', unit: 'yes or no' },
      new_category: { label: 'category is new to the account', unit: 'yes or no' },
      merchants_7d: { label: 'merchants, 7 days', unit: 'count' },
      places_7d: { label: 'places, 7 days', unit: 'count' },
      channels_7d: { label: 'channels, 7 days', unit: 'count' },
      hour_share: { label: 'its transactions at this hour of the day', unit: 'share' },
      weekday_share: { label: 'its transactions on this day of the week', unit: 'share' },
    },
  },
  {
    title: 'What is known of the merchant',
    words: {
      merchant_known_30d: { label: 'the merchant’s known transactions, 30 days', unit: 'count' },
      merchant_risk_30d: { label: 'frauds among the merchant’s known ones', unit: 'share' },
      merchant_plain_frauds_28d: {
        label: 'the merchant’s frauds of ordinary amounts, 28 days',
        unit: 'count',
      },
      run_frauds: { label: 'the merchant’s frauds in a row', unit: 'count' },
      run_age_days: { label: 'since the first fraud of that row', unit: 'days' },
      run_slack_days: { label: 'from the last genuine one to that row', unit: 'days' },
      known_gap_days: { label: 'since the merchant’s last known one', unit: 'days' },
      last_label: { label: 'the merchant’s last known one', unit: 'fraud or genuine' },
    },
  },
  {
    title: 'More figures',
    words: {
      mean_1h: { label: 'mean amount, hour before', unit: 'money' },
      std_1h: { label: 'standard deviation, hour before', unit: 'money' },
      mean_24h: { label: 'mean amount, 24 hours before', unit: 'money' },
      std_24h: { label: 'standard deviation, 24 hours before', unit: 'money' },
      mean_7d: { label: 'mean amount, 7 days', unit: 'money' },
      std_7d: { label: 'standard deviation, 7 days', unit: 'money' },
      std_30d: { label: 'standard deviation, 30 days', unit: 'money' },
      late: { label: 'arrived late', unit: 'yes or no' },
    },
  },
]
