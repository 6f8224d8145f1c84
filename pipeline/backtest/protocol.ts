import { DAY } from '../../schemas/time.ts'
import { dayOf, type Span } from '../history/days.ts'
import type { Tested, TestedRows } from './tested.ts'

/**
 * Who is tested when, and what may be known by then (Fraud Detection Handbook, chapters 3 and 5). Times are event times
 * in milliseconds, spans end exclusive, days are those of UTC.
 */

export interface Protocol {
  /** Transactions to train on; undefined if nothing is trained. */
  train?: Span
  /** Transactions whose decisions count; undefined for all. */
  test?: Span
  /** A label is known so many times 24 hours after its transaction. */
  delayDays: number
  /** Test accounts of which a fraud is known, too. */
  keepKnown: boolean
}

/** An account stays out for a fraud on so many days before the training's end. */
const KNOWN_DAYS = 7

export const isIn = ({ from, to }: Span, time: number): boolean => time >= from && time < to

/** Whether a transaction is in the training span and its label known when the test begins. */
export const isLearnable = ({ train, test, delayDays }: Protocol, time: number): boolean =>
  train !== undefined && isIn(train, time) && (test === undefined || time + delayDays * DAY <= test.from)

/** The accounts' first frauds that may keep them out of the test. */
export class KnownFrauds {
  readonly #firstDay = new Map<number, number>()
  readonly #since: number

  constructor({ train, test, delayDays }: Protocol) {
    // Without training: as if it had ended as late as the delay allows.
    const end = train?.to ?? (test === undefined ? Number.POSITIVE_INFINITY : test.from - delayDays * DAY)
    this.#since = dayOf(end) - KNOWN_DAYS
  }

  note(account: number, day: number): void {
    if (day < this.#since) return
    const first = this.#firstDay.get(account)
    if (first === undefined || day < first) this.#firstDay.set(account, day)
  }

  /** Whether the account's fraud is known on a test day: it took place the delay and one more day earlier, at least. */
  isKnown(account: number, day: number, delayDays: number): boolean {
    const first = this.#firstDay.get(account)
    return first !== undefined && first <= day - (delayDays + 1)
  }
}

/** The rows that count: of the accounts that are not known as compromised on their day. */
export const selectTested = (
  rows: TestedRows,
  known: KnownFrauds,
  { test, delayDays, keepKnown }: Protocol,
): Tested =>
  rows.select((account, day) => keepKnown || test === undefined || !known.isKnown(account, day, delayDays))
