import { DAY } from '../../schemas/time.ts'
import { DayEvents, GENUINE, kindOf, offsetOf, PLAIN_FRAUD } from './label-events.ts'
import { createMerchantState, foldEvent, MerchantStates } from './merchant-fold.ts'
import { COUNTS, countsAt, PLAIN_DAYS, ReferenceDay, RISK_DAYS } from './reference-day.ts'

/** A merchant is forgotten once the newest event that is known of it is more than so many event days back. */
export const MEMORY_DAYS = 45

/** So many merchants are a step of {@link nextReferenceInSteps}: some milliseconds. */
const STEP = 200

/** The reference of a day on which nothing is known and nothing becomes due. */
export const emptyReference = (day: number, delayDays: number): ReferenceDay =>
  new ReferenceDay({
    day,
    delayDays,
    merchants: [],
    opening: new MerchantStates(0),
    counts: new Uint32Array(),
    sums: new Uint32Array(),
    starts: new Uint32Array(1),
    events: new Uint32Array(),
  })

/** The reference of the day on which the events become due, when nothing is known from before. */
export const firstReference = (due: DayEvents, delayDays: number): ReferenceDay =>
  nextReference(emptyReference(due.day + delayDays - 1, delayDays), due)

/** As {@link nextReferenceInSteps}, at once. */
export function nextReference(reference: ReferenceDay, due: DayEvents, late?: DayEvents): ReferenceDay {
  const steps = nextReferenceInSteps(reference, due, late)
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/**
 * The reference of the day after. Gives way between steps, since a large one takes seconds.
 *
 * A fraud label that came after its transaction was taken as genuine changes nothing that was. It counts from the day
 * after it became known on, as one more fraud, as if that had happened the delay before it became known.
 * @param due the label events of the event day that becomes due on it
 * @param late late labels that became known on the day of `reference`, each at the time when it did less the delay
 * @throws when the events are of other days, or the reference has no counts
 */
export function* nextReferenceInSteps(
  reference: ReferenceDay,
  due: DayEvents,
  late = new DayEvents(reference.dueDay),
): Generator<void, ReferenceDay> {
  const { day, delayDays, counts } = reference.parts
  if (counts === null) throw new Error(`the reference of day ${day} was read without its counts`)
  if (due.day !== reference.dueDay + 1 || late.day !== reference.dueDay) {
    throw new Error(`events of the days ${late.day} and ${due.day} for the reference of day ${day + 1}`)
  }
  const known = yield* close(reference, late)
  const merchants = [...new Set([...known.merchants, ...due.merchants])]
  const next = {
    day: day + 1,
    delayDays,
    merchants,
    opening: new MerchantStates(merchants.length),
    counts: new Uint32Array(merchants.length * COUNTS),
    sums: new Uint32Array(merchants.length * 3),
    ...(yield* layOut(merchants, due)),
  }
  const state = createMerchantState()
  for (const [i, merchant] of known.merchants.entries()) {
    if (i % STEP === 0) yield
    known.states.read(i, state)
    next.opening.write(i, state)
    const before = reference.indexOf(merchant)
    if (before !== -1) next.counts.set(counts.subarray(before * COUNTS, (before + 1) * COUNTS), i * COUNTS)
    countEvents(reference.due(merchant), next.counts, countsAt(i, reference.dueDay))
    countEvents(late.of(merchant), next.counts, countsAt(i, reference.dueDay))
    // The day that leaves the window makes room for the one that becomes due.
    next.counts.fill(0, countsAt(i, due.day), countsAt(i, due.day) + 3)
    sumUp(next.counts, i, due.day, next.sums)
  }
  return new ReferenceDay(next)
}

/** Those of which something is known as the reference's day ends, and their states then. */
function* close(
  reference: ReferenceDay,
  late: DayEvents,
): Generator<void, { merchants: string[]; states: MerchantStates }> {
  const all = [...new Set([...reference.parts.merchants, ...late.merchants])]
  const states = new MerchantStates(all.length)
  const merchants: string[] = []
  const state = createMerchantState()
  for (const [i, merchant] of all.entries()) {
    if (i % STEP === 0) yield
    reference.open(merchant, state)
    let events = reference.due(merchant)
    if (late.has(merchant)) events = Uint32Array.from([...events, ...late.of(merchant)]).sort()
    for (const event of events) foldEvent(state, late.day * DAY + offsetOf(event), kindOf(event))
    if (state.lastTime < (late.day + 1 - MEMORY_DAYS) * DAY) continue
    states.write(merchants.length, state)
    merchants.push(merchant)
  }
  return { merchants, states }
}

function countEvents(events: Uint32Array, counts: Uint32Array, at: number): void {
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
function* layOut(
  merchants: string[],
  due: DayEvents,
): Generator<void, { starts: Uint32Array; events: Uint32Array }> {
  const starts = new Uint32Array(merchants.length + 1)
  for (const [i, merchant] of merchants.entries()) starts[i + 1] = starts[i] + due.count(merchant)
  const events = new Uint32Array(starts[merchants.length])
  for (const [i, merchant] of merchants.entries()) {
    if (i % STEP === 0) yield
    if (due.has(merchant)) events.set(due.of(merchant), starts[i])
  }
  return { starts, events }
}
