import { BIG_FRAUD, GENUINE, type LabelKind, PLAIN_FRAUD } from '../../pipeline/features/label-events.ts'
import { DAY } from './transactions.ts'

/** What is known of merchants as it is defined, the slow way: every question looks at all events. */

export interface LabelEvent {
  merchant: string
  time: number
  kind: LabelKind
  /** A label that came when its transaction had been taken as genuine: `time` is when it came, less the delay. */
  late: boolean
}

export const MERCHANT_FEATURES = [
  'merchant_known_30d',
  'merchant_risk_30d',
  'merchant_plain_frauds_28d',
  'run_frauds',
  'run_age_days',
  'run_slack_days',
  'known_gap_days',
  'last_label',
] as const

const dayOf = (time: number): number => Math.floor(time / DAY)
const ORDER = [GENUINE, PLAIN_FRAUD, BIG_FRAUD]

/** @returns {@link MERCHANT_FEATURES} of a transaction at event time t */
export function expectedOfMerchant(
  events: LabelEvent[],
  merchant: string,
  t: number,
  delayDays: number,
): number[] {
  const delay = delayDays * DAY
  const isKnown = (e: LabelEvent) => (e.late ? dayOf(e.time + delay) < dayOf(t) : e.time + delay <= t)
  const last = dayOf(t) - delayDays
  const all = events
    .filter((e) => e.merchant === merchant && isKnown(e))
    .sort((a, b) => a.time - b.time || ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
  const gap = all.findLastIndex((e, i) => dayOf(e.time) - dayOf(all[i - 1]?.time ?? e.time) > 45)
  const known = all.slice(Math.max(gap, 0))
  if (known.length === 0 || last - dayOf(known.at(-1)!.time) > 45) {
    return [0, Number.NaN, 0, 0, Number.NaN, Number.NaN, Number.NaN, Number.NaN]
  }
  const window = known.filter((e) => dayOf(e.time) > last - 30)
  const frauds = window.filter((e) => e.kind !== GENUINE).length
  const plain = known.filter((e) => e.kind === PLAIN_FRAUD && dayOf(e.time) > last - 28).length
  const newest = known.at(-1)!
  // The run: from the first plain fraud after the last genuine one on.
  const genuine = known.findLastIndex((e) => e.kind === GENUINE)
  const after = known.slice(genuine + 1)
  const first = after.findIndex((e) => e.kind === PLAIN_FRAUD)
  const begin = after[first]?.time ?? Number.NaN
  return [
    window.length,
    window.length === 0 ? Number.NaN : frauds / window.length,
    plain,
    first === -1 ? 0 : after.length - first,
    (t - begin) / DAY,
    (begin - (known[genuine]?.time ?? Number.NaN)) / DAY,
    (t - newest.time) / DAY,
    newest.kind === GENUINE ? 0 : 1,
  ]
}
