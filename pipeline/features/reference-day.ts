import { DAY } from '../../schemas/time.ts'
import { afterOffset, GENUINE, kindOf, offsetOf, PLAIN_FRAUD } from './label-events.ts'
import { createMerchantState, foldEvent, type MerchantState, type MerchantStates } from './merchant-fold.ts'

/** Of how many event days the counts are kept: frauds and all; plain frauds. */
export const RISK_DAYS = 30
export const PLAIN_DAYS = 28

/** From this hour of an event day on the next day's reference is built: a large one takes minutes, and all would wait. */
export const BUILD_FROM_HOUR = 18

/** Whether all that becomes known on a day has come at that hour of the day before. */
export const canBuildAhead = (delayDays: number, latenessHours: number): boolean =>
  24 * (delayDays - 2) + BUILD_FROM_HOUR >= latenessHours

/** Counts by event day: {@link RISK_DAYS} days in turn, three numbers each: all, frauds, plain frauds. */
export const COUNTS = 3 * RISK_DAYS
export const countsAt = (merchant: number, day: number): number => merchant * COUNTS + (day % RISK_DAYS) * 3

/** What a reference is made of; see there. */
export interface ReferenceParts {
  day: number
  delayDays: number
  merchants: string[]
  opening: MerchantStates
  /** See {@link countsAt}; null in one that only answers, and that none is built from. */
  counts: Uint32Array | null
  /** All, frauds, plain frauds of each merchant in the windows, without those that become due on this day. */
  sums: Uint32Array
  /** Merchant i has events[starts[i]] to events[starts[i + 1] - 1]. */
  starts: Uint32Array
  events: Uint32Array
}

/** What was known of a merchant at a moment. */
export interface Known extends MerchantState {
  known: number
  frauds: number
  plainFrauds: number
}

/**
 * What is known of the merchants on one event day (UTC), from labels that are at least the delay old: each merchant's
 * state as the day begins, and its events that become due in the course of it, so that the answer is exact at any
 * moment of the day. Never changed once built.
 *
 * In memory: 4 bytes an event of the day, 53 and its name a merchant, 360 more where the counts are there.
 */
export class ReferenceDay {
  readonly parts: ReferenceParts
  readonly #index = new Map<string, number>()
  /** Place in `events` of each fraud, the first one of each merchant, and what holds after each. */
  readonly #frauds: Uint32Array
  readonly #fraudStarts: Uint32Array
  readonly #plain: Uint32Array
  readonly #runs: Uint32Array
  readonly #firsts: Float64Array
  readonly #slacks: Float64Array

  constructor(parts: ReferenceParts) {
    this.parts = parts
    const { merchants, events } = parts
    let frauds = 0
    for (let i = 0; i < events.length; i++) if (kindOf(events[i]) !== GENUINE) frauds++
    this.#frauds = new Uint32Array(frauds)
    this.#fraudStarts = new Uint32Array(merchants.length + 1)
    this.#plain = new Uint32Array(frauds)
    this.#runs = new Uint32Array(frauds)
    this.#firsts = new Float64Array(frauds)
    this.#slacks = new Float64Array(frauds)
    for (let i = 0; i < merchants.length; i++) this.#index.set(merchants[i], i)
    this.#followFrauds()
  }

  /** One that only answers; see {@link ReferenceParts}. */
  withoutCounts(): ReferenceDay {
    return new ReferenceDay({ ...this.parts, counts: null })
  }

  /** Memory, about. */
  get bytes(): number {
    const { merchants, events, counts } = this.parts
    return 200 * merchants.length + events.byteLength + 28 * this.#frauds.length + (counts?.byteLength ?? 0)
  }

  get day(): number {
    return this.parts.day
  }

  /** The event day whose transactions become known on this one. */
  get dueDay(): number {
    return this.parts.day - this.parts.delayDays
  }

  /**
   * What was known of the merchant at an event time of this day: what is due by then, that moment included.
   * @returns false when nothing was; `into` is then as it was
   */
  at(merchant: string, time: number, into: Known): boolean {
    const index = this.#index.get(merchant)
    if (index === undefined) return false
    const { opening, sums, starts, events } = this.parts
    const start = starts[index]
    const end = lowerBound(events, start, starts[index + 1], afterOffset(time - this.day * DAY))
    if (end === start) {
      if (Number.isNaN(opening.lastTime[index])) return false
      opening.read(index, into)
    }
    into.known = sums[3 * index] + end - start
    into.frauds = sums[3 * index + 1]
    into.plainFrauds = sums[3 * index + 2]
    if (end > start) this.#addDue(index, end, into)
    return true
  }

  /** The merchant's number here; -1 if there is nothing of it. */
  indexOf(merchant: string): number {
    return this.#index.get(merchant) ?? -1
  }

  /** The merchant's state as the day begins. */
  open(merchant: string, into: MerchantState): void {
    const index = this.indexOf(merchant)
    if (index === -1) Object.assign(into, createMerchantState())
    else this.parts.opening.read(index, into)
  }

  /** The merchant's events that become due on this day, in the order in which they count. */
  due(merchant: string): Uint32Array {
    const { starts, events } = this.parts
    const index = this.indexOf(merchant)
    return index === -1 ? events.subarray(0, 0) : events.subarray(starts[index], starts[index + 1])
  }

  /** Adds the merchant's events before the place `end`, of which there is one at least. */
  #addDue(merchant: number, end: number, into: Known): void {
    const { events } = this.parts
    const last = events[end - 1]
    into.lastTime = this.dueDay * DAY + offsetOf(last)
    into.lastLabel = kindOf(last) === GENUINE ? 0 : 1
    const start = this.#fraudStarts[merchant]
    const after = lowerBound(this.#frauds, start, this.#fraudStarts[merchant + 1], end)
    into.frauds += after - start
    if (after > start) into.plainFrauds += this.#plain[after - 1]
    const inRun = into.lastLabel === 1
    into.runFrauds = inRun ? this.#runs[after - 1] : 0
    into.firstFraud = inRun ? this.#firsts[after - 1] : Number.NaN
    into.slack = inRun ? this.#slacks[after - 1] : Number.NaN
  }

  /** So that no question has to go through the events of a merchant one by one. */
  #followFrauds(): void {
    const { merchants, opening, starts, events } = this.parts
    const state = createMerchantState()
    let at = 0
    for (let merchant = 0; merchant < merchants.length; merchant++) {
      opening.read(merchant, state)
      let plain = 0
      for (let i = starts[merchant]; i < starts[merchant + 1]; i++) {
        const kind = kindOf(events[i])
        foldEvent(state, this.dueDay * DAY + offsetOf(events[i]), kind)
        if (kind === GENUINE) continue
        if (kind === PLAIN_FRAUD) plain++
        this.#frauds[at] = i
        this.#plain[at] = plain
        this.#runs[at] = state.runFrauds
        this.#firsts[at] = state.firstFraud
        this.#slacks[at] = state.slack
        at++
      }
      this.#fraudStarts[merchant + 1] = at
    }
  }
}

/** The first place from `from` on whose number is at least `least`; `to` if there is none. */
function lowerBound(sorted: Uint32Array, from: number, to: number, least: number): number {
  while (from < to) {
    const middle = (from + to) >>> 1
    if (sorted[middle] < least) from = middle + 1
    else to = middle
  }
  return from
}
