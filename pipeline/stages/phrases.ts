import type { Feature } from '../features/features.ts'
import type { RuleContext } from '../rules/row-context.ts'

/**
 * What a model's input means to a person, in words: said of an input that raised the score. Amounts are in the base
 * currency.
 */
interface Phrase {
  /** What it tells of: all of these are known. */
  of: Feature[]
  say: (context: RuleContext) => string
  /** Said where one of them is not. */
  otherwise: string
}

// Made once: to make one costs a hundred times what it takes to use it.
const hundredths = new Intl.NumberFormat('en', { maximumSignificantDigits: 1 })
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const cents = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const number = (value: number | string): string => {
  const size = Math.abs(Number(value))
  return (size < 0.1 ? hundredths : size < 10 ? tenths : whole).format(Number(value))
}
const money = (value: number | string, c: RuleContext): string =>
  `${cents.format(Number(value))} ${c.base_currency}`
const times = (count: number | string, one: string, many: string): string =>
  Number(count) === 1 ? `one ${one}` : `${number(count)} ${many}`

function spanOf(seconds: number): string {
  if (seconds < 120) return times(whole.format(seconds), 'second', 'seconds')
  if (seconds < 7200) return `${whole.format(seconds / 60)} minutes`
  return seconds < 172_800
    ? `${whole.format(seconds / 3600)} hours`
    : `${whole.format(seconds / 86_400)} days`
}

const LATE = 'an event far behind the newest one of the account'
const SHORT = 'too short a history to compare with'

const amount: Phrase = {
  of: ['amount'],
  say: (c) => `the amount of ${money(c.amount, c)}`,
  otherwise: 'a currency without a rate',
}
/** Of an account with fewer transactions "usual" is what accounts are like; from here on it is its own. */
const SETTLED = 20
const isSettled = (c: RuleContext): boolean => Number(c.account_count) >= SETTLED
const ratio: Phrase = {
  of: ['amount_ratio', 'usual_amount'],
  say: (c) =>
    isSettled(c) || Number.isNaN(c.account_mean)
      ? `${number(c.amount_ratio)} times the usual amount of ${money(c.usual_amount, c)}`
      : `${number(Number(c.amount) / Number(c.account_mean))} times the mean of ${money(c.account_mean, c)} of only ` +
        times(c.account_count, 'earlier transaction', 'earlier transactions'),
  otherwise: amount.otherwise,
}
const deviations = (value: number | string, mean: string): string =>
  `${number(Math.abs(Number(value)))} standard deviations ${Number(value) < 0 ? 'below' : 'above'} the ${mean}`
const deviation: Phrase = {
  of: ['deviation', 'account_mean'],
  say: (c) => deviations(c.deviation, `account's mean of ${money(c.account_mean, c)}`),
  otherwise: SHORT,
}
const month: Phrase = {
  of: ['z_30d', 'mean_30d'],
  say: (c) => deviations(c.z_30d, `mean of 30 days, ${money(c.mean_30d, c)}`),
  otherwise: SHORT,
}
const lastHour: Phrase = {
  of: ['count_1h'],
  say: (c) => `${times(c.count_1h, 'transaction', 'transactions')} in the hour before`,
  otherwise: LATE,
}
const lastDay: Phrase = {
  of: ['count_24h', 'sum_24h'],
  say: (c) =>
    `${times(c.count_24h, 'transaction', 'transactions')} of ${money(c.sum_24h, c)} together in the 24 hours before`,
  otherwise: LATE,
}
const bursts: Phrase = {
  of: ['big_14d'],
  say: (c) => {
    const large = isSettled(c) ? 'unusually large' : 'large'
    return `${times(c.big_14d, `${large} purchase`, `${large} purchases`)} in the 14 days before`
  },
  otherwise: LATE,
}
const merchantFrauds: Phrase = {
  of: ['run_frauds'],
  say: (c) =>
    c.run_frauds === 0
      ? 'what is known of this merchant'
      : `${times(c.run_frauds, 'fraud', 'frauds')} known of this merchant lately`,
  otherwise: 'a merchant of which nothing is known',
}
const away: Phrase = {
  of: ['away_from_home'],
  say: (c) => (c.away_from_home === 1 ? `in ${c.location} instead of ${c.home}` : `the place, ${c.location}`),
  otherwise: 'an account without a home so far',
}
const habit = (feature: Feature, what: string): Phrase => ({
  of: [feature],
  say: () => what,
  otherwise: SHORT,
})
const countIn = (feature: Feature, one: string, many: string, span: string): Phrase => ({
  of: [feature],
  say: (c) => `${times(c[feature], one, many)} in ${span}`,
  otherwise: LATE,
})
const meanOf = (span: '1h' | '24h' | '7d', what: string): Phrase => ({
  of: [`mean_${span}`],
  say: (c) => `a mean of ${money(c[`mean_${span}`], c)} in the ${what} before`,
  otherwise: SHORT,
})
const sumOf = (span: '7d' | '30d', what: string): Phrase => ({
  of: [`sum_${span}`],
  say: (c) => `${money(c[`sum_${span}`], c)} together in ${what}`,
  otherwise: LATE,
})
const newness = (feature: Feature, isNew: (c: RuleContext) => string, what: string): Phrase => ({
  of: [feature],
  say: (c) => (c[feature] === 1 ? isNew(c) : `the ${what}`),
  otherwise: `no ${what} given`,
})

/** By the input's name: a feature's, or one of the isolation forest's. */
const PHRASES: Record<string, Phrase> = {
  amount,
  amount_ratio: ratio,
  usual_amount: ratio,
  amount_ratio_log: ratio,
  account_mean: deviation,
  deviation,
  account_count: {
    of: ['account_count'],
    say: (c) => `an account of ${times(c.account_count, 'earlier transaction', 'earlier transactions')}`,
    otherwise: SHORT,
  },
  late: { of: ['late'], say: (c) => (c.late === 1 ? LATE : 'its place in time'), otherwise: LATE },
  z_30d: month,
  mean_30d: month,
  std_30d: month,
  count_1h: lastHour,
  sum_1h: lastHour,
  count_1h_log: lastHour,
  mean_1h: meanOf('1h', 'hour'),
  std_1h: meanOf('1h', 'hour'),
  count_24h: lastDay,
  sum_24h: lastDay,
  spend_24h_log: lastDay,
  mean_24h: meanOf('24h', '24 hours'),
  std_24h: meanOf('24h', '24 hours'),
  sum_7d: sumOf('7d', '7 days'),
  mean_7d: meanOf('7d', '7 days'),
  std_7d: meanOf('7d', '7 days'),
  sum_30d: sumOf('30d', '30 days'),
  count_7d: countIn('count_7d', 'transaction', 'transactions', '7 days'),
  count_14d: countIn('count_14d', 'transaction', 'transactions', '14 days'),
  count_30d: countIn('count_30d', 'transaction', 'transactions', '30 days'),
  merchants_7d: countIn('merchants_7d', 'merchant', 'merchants', '7 days'),
  places_7d: countIn('places_7d', 'place', 'places', '7 days'),
  channels_7d: countIn('channels_7d', 'channel', 'channels', '7 days'),
  big_3d: bursts,
  big_14d: bursts,
  bursts_log: bursts,
  max_ratio_14d: {
    of: ['max_ratio_14d'],
    say: (c) => `one of ${number(c.max_ratio_14d)} times the usual amount in the 14 days before`,
    otherwise: LATE,
  },
  hours_since_big: {
    of: ['hours_since_big'],
    say: (c) => `${spanOf(Number(c.hours_since_big) * 3600)} after an unusually large purchase`,
    otherwise: 'no unusually large purchase before',
  },
  seconds_since_last: {
    of: ['seconds_since_last'],
    say: (c) => `${spanOf(Number(c.seconds_since_last))} after the last transaction`,
    otherwise: "the account's first transaction",
  },
  new_merchant: newness('new_merchant', () => 'a merchant that is new to the account', 'merchant'),
  new_category: newness(
    'new_category',
    (c) => `${c.merchant_category}, where it never bought`,
    'category of the merchant',
  ),
  new_place: newness('new_place', (c) => `${c.location}, where it never was`, 'place'),
  away_from_home: away,
  hour_share: habit('hour_share', 'the hour of the day'),
  weekday_share: habit('weekday_share', 'the day of the week'),
  run_frauds: merchantFrauds,
  merchant_frauds_log: merchantFrauds,
  run_age_days: merchantFrauds,
  run_slack_days: merchantFrauds,
  last_label: {
    of: ['last_label'],
    say: (c) => `a merchant whose last known transaction is ${c.last_label === 1 ? 'a fraud' : 'genuine'}`,
    otherwise: merchantFrauds.otherwise,
  },
  known_gap_days: {
    of: ['known_gap_days'],
    say: (c) => `${number(c.known_gap_days)} days since the merchant's newest known transaction`,
    otherwise: merchantFrauds.otherwise,
  },
  merchant_known_30d: {
    of: ['merchant_known_30d'],
    say: (c) =>
      `a merchant with ${times(c.merchant_known_30d, 'known transaction', 'known transactions')} in 30 days`,
    otherwise: merchantFrauds.otherwise,
  },
  merchant_plain_frauds_28d: {
    of: ['merchant_plain_frauds_28d'],
    say: (c) =>
      `${times(c.merchant_plain_frauds_28d, 'fraud', 'frauds')} of ordinary amounts known of this merchant in 28 days`,
    otherwise: merchantFrauds.otherwise,
  },
  merchant_risk_30d: {
    of: ['merchant_risk_30d'],
    say: (c) =>
      `${number(100 * Number(c.merchant_risk_30d))} % frauds among this merchant's known transactions`,
    otherwise: merchantFrauds.otherwise,
  },
}

/** An input in words; by its bare name where there are none. */
export function inWords(input: string, context: RuleContext): string {
  const phrase = PHRASES[input]
  if (phrase === undefined) return input.replaceAll('_', ' ')
  const isKnown = phrase.of.every((feature) => !Number.isNaN(context[feature]))
  return isKnown ? phrase.say(context) : phrase.otherwise
}
