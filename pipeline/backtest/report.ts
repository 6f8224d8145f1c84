import { DAY } from '../../schemas/time.ts'
import { formatAmount } from '../../schemas/transaction.ts'
import { type Outcome, outcomeAt, thresholdFor } from './alerts.ts'
import { cardPrecision } from './card-precision.ts'
import type { Protocol } from './protocol.ts'
import { aucRoc, averagePrecision, rank } from './ranking.ts'
import type { Result } from './run.ts'
import { FRAUD, type Tested, UNKNOWN } from './tested.ts'

/** Accounts that are looked at in a day, for the card precision. */
const CARDS = 100

const SWEEP = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]

/** What the command prints with --json, beside what it was given. */
export interface Report {
  auc_roc: number | null
  average_precision: number | null
  card_precision_at_100: number | null
  rows: number
  frauds: number
  unlabelled: number
  /** Rows of accounts that were known as compromised. */
  left_out: number
  days: number
  at_threshold: PrintedOutcome | null
  sweep: PrintedOutcome[]
  transactions: number
  tx_per_second: number
}

type PrintedOutcome = Omit<Outcome, 'caught' | 'missed'> & { money_caught: string; money_missed: string }

/**
 * @param alerting from a threshold on, or from the lowest that gives at most so many alerts a day: `at_threshold` is
 *   null if there is none
 */
export function reportOn(
  { tested, leftOut, transactions, seconds }: Result,
  { test }: Protocol,
  alerting: { threshold: number } | { perDay: number },
): Report {
  const ranking = rank(tested)
  // Days that nothing was read of are no days without alerts.
  const days = test === undefined ? daysOf(tested) : Math.min(daysOf(tested), (test.to - test.from) / DAY)
  const threshold =
    'threshold' in alerting ? alerting.threshold : thresholdFor(ranking, alerting.perDay * days)
  return {
    auc_roc: aucRoc(ranking),
    average_precision: averagePrecision(ranking),
    card_precision_at_100: cardPrecision(tested, CARDS),
    rows: tested.scores.length,
    frauds: countOf(tested, FRAUD),
    unlabelled: countOf(tested, UNKNOWN),
    left_out: leftOut,
    days,
    at_threshold: threshold === null ? null : printed(outcomeAt(ranking, threshold, days)),
    sweep: SWEEP.map((at) => printed(outcomeAt(ranking, at, days))),
    transactions,
    tx_per_second: Math.round(transactions / seconds),
  }
}

const countOf = ({ labels }: Tested, label: number): number =>
  labels.reduce((n, other) => (other === label ? n + 1 : n), 0)

function daysOf({ days }: Tested): number {
  const first = days.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const end = days.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  return end - first + 1
}

const printed = ({ threshold, caught, missed, ...rest }: Outcome): PrintedOutcome => ({
  // Nine digits tell every number of 32 bits from its neighbours.
  threshold: Number(threshold.toPrecision(9)),
  ...rest,
  money_caught: formatAmount(caught),
  money_missed: formatAmount(missed),
})

/** The report for a person. */
export function tableOf(report: Report): string {
  const { rows, frauds, unlabelled, left_out, days, at_threshold, sweep } = report
  const figures = [
    ['AUC ROC', decimals(report.auc_roc)],
    ['Average precision', decimals(report.average_precision)],
    [`Card precision@${CARDS} a day`, decimals(report.card_precision_at_100)],
  ]
  const head = ['threshold', 'alerts/day', 'precision', 'recall', 'caught', 'missed']
  const marked = at_threshold === null ? [] : [cellsOf(at_threshold)]
  return [
    `Tested: ${rows} transactions of ${days} days, ${frauds} of them frauds, ${unlabelled} without a label; ` +
      `${left_out} left out, their accounts being known as compromised.`,
    '',
    ...figures.map(([name, figure]) => `${name.padEnd(27)}${figure.padStart(7)}`),
    '',
    ...aligned([head, ...marked]),
    ...(at_threshold === null
      ? ['No threshold gives so few alerts: more rows than that have the highest score.']
      : []),
    '',
    ...aligned([head, ...sweep.map(cellsOf)]),
    '',
    `${report.transactions} transactions read, ${report.tx_per_second} a second.`,
  ].join('\n')
}

const decimals = (figure: number | null): string => (figure === null ? '-' : figure.toFixed(4))

const cellsOf = (outcome: PrintedOutcome): string[] => [
  String(outcome.threshold),
  outcome.alerts_per_day.toFixed(1),
  decimals(outcome.precision),
  decimals(outcome.recall),
  outcome.money_caught.slice(0, -2),
  outcome.money_missed.slice(0, -2),
]

function aligned(rows: string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column])).join('  '))
}
