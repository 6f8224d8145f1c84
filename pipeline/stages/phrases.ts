import type { RuleContext } from '../rules/rules.ts'

/**
 * What a model's input means to a person, in words: said of an input that raised the score. Amounts are in the base
 * currency.
 */

type Phrase = (context: RuleContext) => string

// Made once: to make one costs a hundred times what it takes to use it.
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const cents = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const number = (value: number | string): string => (Number(value) < 10 ? tenths : whole).format(Number(value))
const money = (value: number | string): string => cents.format(Number(value))
const times = (count: number | string, one: string, many: string): string =>
  Number(count) === 1 ? `one ${one}` : `${number(count)} ${many}`

const ratio: Phrase = (c) => `${number(c.amount_ratio)} times the usual amount of ${money(c.usual_amount)}`
const lastHour: Phrase = (c) => `${times(c.count_1h, 'transaction', 'transactions')} in the hour before`
const lastDay: Phrase = (c) =>
  `${times(c.count_24h, 'transaction', 'transactions')} of ${money(c.sum_24h)} together in the 24 hours before`
const deviation: Phrase = (c) =>
  `${number(c.deviation)} standard deviations from the account's mean of ${money(c.account_mean)}`
const away: Phrase = (c) =>
  c.away_from_home === 1 ? `in ${c.location} instead of ${c.home}` : `the place, ${c.location}`
const bursts: Phrase = (c) =>
  `${times(c.big_14d, 'unusually large purchase', 'unusually large purchases')} in the 14 days before`
const merchantFrauds: Phrase = (c) =>
  `${times(c.run_frauds, 'fraud', 'frauds')} known of this merchant lately`
const month: Phrase = (c) =>
  `${number(c.z_30d)} standard deviations from the mean of 30 days, ${money(c.mean_30d)}`
const newMerchant: Phrase = (c) =>
  c.new_merchant === 1 ? 'a merchant that is new to the account' : 'the merchant'
const hour: Phrase = () => 'the hour of the day'

/** By the input's name: a feature's, or one of the isolation forest's. */
const PHRASES: Record<string, Phrase> = {
  amount: (c) => `the amount of ${money(c.amount)}`,
  amount_ratio: ratio,
  usual_amount: ratio,
  amount_ratio_log: ratio,
  deviation,
  z_30d: month,
  mean_30d: month,
  std_30d: month,
  count_1h: lastHour,
  sum_1h: lastHour,
  count_1h_log: lastHour,
  count_24h: lastDay,
  sum_24h: lastDay,
  spend_24h_log: lastDay,
  count_7d: (c) => `${times(c.count_7d, 'transaction', 'transactions')} in 7 days`,
  count_14d: (c) => `${times(c.count_14d, 'transaction', 'transactions')} in 14 days`,
  count_30d: (c) => `${times(c.count_30d, 'transaction', 'transactions')} in 30 days`,
  big_3d: bursts,
  big_14d: bursts,
  bursts_log: bursts,
  max_ratio_14d: (c) => `one of ${number(c.max_ratio_14d)} times the usual amount in the 14 days before`,
  hours_since_big: (c) => `${number(c.hours_since_big)} hours after an unusually large purchase`,
  seconds_since_last: (c) => `${number(c.seconds_since_last)} seconds after the last transaction`,
  merchants_7d: (c) => `${times(c.merchants_7d, 'merchant', 'merchants')} in 7 days`,
  places_7d: (c) => `${times(c.places_7d, 'place', 'places')} in 7 days`,
  new_merchant: newMerchant,
  new_category: (c) =>
    c.new_category === 1 ? `${c.merchant_category}, where it never bought` : 'the category',
  new_place: (c) => (c.new_place === 1 ? `${c.location}, where it never was` : 'the place'),
  away_from_home: away,
  hour_share: hour,
  weekday_share: () => 'the day of the week',
  run_frauds: merchantFrauds,
  merchant_frauds_log: merchantFrauds,
  run_age_days: merchantFrauds,
  run_slack_days: merchantFrauds,
  merchant_risk_30d: (c) =>
    `${number(100 * Number(c.merchant_risk_30d))} % frauds among this merchant's known transactions`,
}

/** An input in words; by its bare name where there are none. */
export const inWords = (input: string, context: RuleContext): string =>
  PHRASES[input]?.(context) ?? input.replaceAll('_', ' ')
