import type { Transaction } from '../../schemas/transaction.ts'
import { DayEvents, type LabelKind } from './label-events.ts'
import type { References } from './merchant-labels.ts'
import { firstReference, nextReference } from './reference-builder.ts'
import type { ReferenceDay } from './reference-day.ts'

const DAY = 86_400_000

/** Days back that a transaction may be and still find the reference of its day. */
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
  /** Newest first. */
  #made: ReferenceDay[] = []

  /** @param delayDays LABEL_DELAY_DAYS, at least 1 */
  constructor(delayDays: number) {
    this.#delayDays = delayDays
  }

  /** Adds a transaction once it was judged. One that comes after its day's events became due is never known. */
  add({ merchant_id: merchant, timestamp }: Transaction, kind: LabelKind): void {
    if (merchant === null || merchant === '') return
    const day = Math.floor(timestamp / DAY)
    if (this.#made.length > 0 && day <= this.#made[0].dueDay) return
    let events = this.#days.get(day)
    if (events === undefined) {
      events = new DayEvents(day)
      this.#days.set(day, events)
    }
    events.add(merchant, timestamp, kind)
  }

  /** @returns null for a day before the first one asked for, and {@link KEPT_DAYS} behind the newest */
  get(day: number): ReferenceDay | null {
    if (this.#made.length === 0) this.#keep(firstReference(this.#take(this.#firstDue(day)), this.#delayDays))
    while (this.#made[0].day < day) {
      const [newest] = this.#made
      this.#keep(nextReference(newest, this.#take(newest.dueDay + 1)))
    }
    return this.#made.find((reference) => reference.day === day) ?? null
  }

  async load(days: readonly number[]): Promise<(ReferenceDay | null)[]> {
    return days.map((day) => this.get(day))
  }

  /** The first event day that there is, or the one that becomes due on `day`. */
  #firstDue(day: number): number {
    return Math.min(day - this.#delayDays, ...this.#days.keys())
  }

  #take(day: number): DayEvents {
    const events = this.#days.get(day) ?? new DayEvents(day)
    this.#days.delete(day)
    return events
  }

  #keep(reference: ReferenceDay): void {
    this.#made = [reference, ...this.#made.slice(0, KEPT_DAYS)]
  }
}
