import { DAY } from '../../schemas/time.ts'
import { DayEvents, labelKind } from './label-events.ts'
import { type LabelledTransaction, labelBefore, lateFrauds } from './labelled.ts'
import type { References } from './merchant-features.ts'
import { firstReference, nextReference } from './reference-builder.ts'
import type { ReferenceDay } from './reference-day.ts'

/** References that are kept for transactions that come late. */
const KEPT_DAYS = 14

/**
 * References of a history that is gone through in the order of event time, more or less: made in memory, by the very
 * steps that make those of the database. A day's is made when it is first asked for, of what was added until then:
 * so no batch may hold transactions of more days than the delay.
 */
export class ReferenceHistory implements References {
  readonly #delayDays: number
  /** Events that are not in a reference yet. */
  readonly #days = new Map<number, DayEvents>()
  /** Frauds that became known late, by the day on which they did less the delay. */
  readonly #late = new Map<number, DayEvents>()
  /** Newest first. */
  #made: ReferenceDay[] = []

  /** @param delayDays LABEL_DELAY_DAYS, at least 1 */
  constructor(delayDays: number) {
    this.#delayDays = delayDays
  }

  /**
   * Adds a transaction once it was judged. One that comes after its day's events became due is never known.
   * @param amountRatio the feature
   */
  add(tx: LabelledTransaction, amountRatio: number): void {
    const { merchant_id: merchant, timestamp } = tx
    if (merchant === null || merchant === '') return
    const day = Math.floor(timestamp / DAY)
    const dueDay = this.#made[0]?.dueDay ?? Number.NEGATIVE_INFINITY
    const due = (day + this.#delayDays) * DAY
    if (day > dueDay)
      eventsOf(this.#days, day).add(merchant, timestamp, labelKind(labelBefore(tx, due), amountRatio))
    for (const knownAt of lateFrauds(tx, due)) {
      const time = knownAt - this.#delayDays * DAY
      const itsDay = Math.floor(time / DAY)
      if (itsDay >= dueDay) eventsOf(this.#late, itsDay).add(merchant, time, labelKind(true, amountRatio))
    }
  }

  /** @returns null for a day before the first one asked for, and {@link KEPT_DAYS} behind the newest */
  get(day: number): ReferenceDay | null {
    if (this.#made.length === 0)
      this.#keep(firstReference(take(this.#days, day - this.#delayDays), this.#delayDays))
    while (this.#made[0].day < day) {
      const [newest] = this.#made
      const { dueDay } = newest
      this.#keep(nextReference(newest, take(this.#days, dueDay + 1), take(this.#late, dueDay)))
    }
    return this.#made.find((reference) => reference.day === day) ?? null
  }

  async load(days: readonly number[]): Promise<(ReferenceDay | null)[]> {
    return days.map((day) => this.get(day))
  }

  #keep(reference: ReferenceDay): void {
    this.#made = [reference, ...this.#made.slice(0, KEPT_DAYS - 1)]
  }
}

function eventsOf(days: Map<number, DayEvents>, day: number): DayEvents {
  let events = days.get(day)
  if (events === undefined) {
    events = new DayEvents(day)
    days.set(day, events)
  }
  return events
}

function take(days: Map<number, DayEvents>, day: number): DayEvents {
  const events = days.get(day) ?? new DayEvents(day)
  days.delete(day)
  return events
}
