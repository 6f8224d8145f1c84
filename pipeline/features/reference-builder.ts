import { DayEvents, GENUINE, kindOf, offsetOf, PLAIN_FRAUD } from './label-events.ts'
import { createMerchantState, foldEvent, type MerchantState, MerchantStates } from './merchant-fold.ts'
import { COUNTS, countsAt, PLAIN_DAYS, ReferenceDay, RISK_DAYS } from './reference-day.ts'

const DAY = 86_400_000

/** A merchant is forgotten once the newest event that is known of it is more than so many event days back. */
export const MEMORY_DAYS = 45

/** The reference of the day on which the events become due, when nothing is known from before. */
export function firstReference(due: DayEvents, delayDays: number): ReferenceDay {
  const merchants = [...due.merchants]
  return new ReferenceDay({
    day: due.day + delayDays,
    delayDays,
    merchants,
    opening: new MerchantStates(merchants.length),
    counts: new Uint32Array(merchants.length * COUNTS),
    sums: new Uint32Array(merchants.length * 3),
    ...layOut(merchants, due),
  })
}

/**
 * The reference of the day after.
 *
 * A fraud label that came after its transaction was taken as genuine changes nothing that was. It counts from the day
 * after it became known on, as one more fraud, as if that had happened the delay before it became known.
 * @param due the label events of the event day that becomes due on it
 * @param late late labels that became known on the day of `reference`, each at the time when it did less the delay
 * @throws when the events are of other days, or the reference has no counts
 */
export function nextReference(
  reference: ReferenceDay,
  due: DayEvents,
  late = new DayEvents(reference.dueDay),
): ReferenceDay {
  const { day, delayDays, counts } = reference.parts
  if (counts === null) throw new Error(`the reference of day ${day} was read without its counts`)
  if (due.day !== reference.dueDay + 1 || late.day !== reference.dueDay) {
    throw new Error(`events of the days ${late.day} and ${due.day} for the reference of day ${day + 1}`)
  }
  const merchants = merchantsOf(reference, due, late)
  const next = {
    day: day + 1,
    delayDays,
    merchants,
    opening: new MerchantStates(merchants.length),
    counts: new Uint32Array(merchants.length * COUNTS),
    sums: new Uint32Array(merchants.length * 3),
    ...layOut(merchants, due),
  }
  const state = createMerchantState()
  merchants.forEach((merchant, i) => {
    if (!close(reference, merchant, late, state)) return
    next.opening.write(i, state)
    const before = reference.indexOf(merchant)
    if (before !== -1) next.counts.set(counts.subarray(before * COUNTS, (before + 1) * COUNTS), i * COUNTS)
    countEvents(reference.due(merchant), next.counts, countsAt(i, reference.dueDay))
    countEvents(late.of(merchant), next.counts, countsAt(i, reference.dueDay))
    // The day that leaves the window makes room for the one that becomes due.
    next.counts.fill(0, countsAt(i, due.day), countsAt(i, due.day) + 3)
    sumUp(next.counts, i, due.day, next.sums)
  })
  return new ReferenceDay(next)
}

/** Those that are not forgotten, then the new ones. */
function merchantsOf(reference: ReferenceDay, due: DayEvents, late: DayEvents): string[] {
  const state = createMerchantState()
  const kept = reference.parts.merchants.filter((merchant) => close(reference, merchant, late, state))
  return [...new Set([...kept, ...late.merchants, ...due.merchants])]
}

/**
 * The merchant's state as the reference's day ends.
 * @returns false when nothing is known of it, or no longer
 */
function close(reference: ReferenceDay, merchant: string, late: DayEvents, state: MerchantState): boolean {
  reference.open(merchant, state)
  let events: ArrayLike<number> = reference.due(merchant)
  if (late.has(merchant)) events = [...reference.due(merchant), ...late.of(merchant)].sort((a, b) => a - b)
  for (let i = 0; i < events.length; i++) {
    foldEvent(state, late.day * DAY + offsetOf(events[i]), kindOf(events[i]))
  }
  return state.lastTime >= (late.day + 1 - MEMORY_DAYS) * DAY
}

function countEvents(events: ArrayLike<number>, counts: Uint32Array, at: number): void {
  counts[at] += events.length
  for (let i = 0; i < events.length; i++) {
    const kind = kindOf(events[i])
    if (kind !== GENUINE) counts[at + 1]++
    if (kind === PLAIN_FRAUD) counts[at + 2]++
  }
}

/** What the windows that end with the event day `last` hold of the days before it. */
function sumUp(counts: Uint32Array, merchant: number, last: number, sums: Uint32Array): void {
  for (let day = last - RISK_DAYS + 1; day < last; day++) {
    const at = countsAt(merchant, day)
    sums[3 * merchant] += counts[at]
    sums[3 * merchant + 1] += counts[at + 1]
    if (day > last - PLAIN_DAYS) sums[3 * merchant + 2] += counts[at + 2]
  }
}

/** The events by merchant, one after another. */
function layOut(merchants: string[], due: DayEvents): { starts: Uint32Array; events: Uint32Array } {
  const starts = new Uint32Array(merchants.length + 1)
  merchants.forEach((merchant, i) => {
    starts[i + 1] = starts[i] + due.count(merchant)
  })
  const events = new Uint32Array(starts[merchants.length])
  merchants.forEach((merchant, i) => {
    if (due.has(merchant)) events.set(due.of(merchant), starts[i])
  })
  return { starts, events }
}
