import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { F, FEATURE_COUNT, isBigRatio } from '../../pipeline/features/features.ts'
import {
  BIG_FRAUD,
  DayEvents,
  GENUINE,
  type LabelKind,
  labelKind,
  PLAIN_FRAUD,
} from '../../pipeline/features/label-events.ts'
import { fillMerchant } from '../../pipeline/features/merchant-features.ts'
import {
  firstReference,
  nextReference,
  nextReferenceInSteps,
} from '../../pipeline/features/reference-builder.ts'
import { decodeReference, encodeReference } from '../../pipeline/features/reference-codec.ts'
import type { ReferenceDay } from '../../pipeline/features/reference-day.ts'
import { expectedOfMerchant, type LabelEvent, MERCHANT_FEATURES } from '../support/merchant-oracle.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

const DELAY = 7
const FIRST_DAY = Math.floor(NOON / DAY)
const dayOf = (time: number): number => Math.floor(time / DAY)

function featuresAt(reference: ReferenceDay | null, merchant: string | null, timestamp: number): number[] {
  const row = new Float64Array(FEATURE_COUNT).fill(123)
  fillMerchant(row, 0, reference, transaction({ merchant_id: merchant, timestamp }))
  return MERCHANT_FEATURES.map((name) => row[F[name]])
}

/** The references of all days from that of the first event on. */
function chain(events: LabelEvent[], days: number, delay = DELAY, step = (r: ReferenceDay) => r) {
  const dayEvents = (day: number, late: boolean): DayEvents => {
    const some = new DayEvents(day)
    for (const e of events) if (e.late === late && dayOf(e.time) === day) some.add(e.merchant, e.time, e.kind)
    return some
  }
  let reference = step(firstReference(dayEvents(FIRST_DAY, false), delay))
  const references = new Map([[reference.day, reference]])
  for (let day = FIRST_DAY + 1; day < FIRST_DAY + days; day++) {
    reference = step(nextReference(reference, dayEvents(day, false), dayEvents(day - 1, true)))
    references.set(reference.day, reference)
  }
  return references
}

/** Times that meet one another and the edges of days. */
const time = (days: number): fc.Arbitrary<number> =>
  fc
    .tuple(
      fc.nat(days - 1),
      fc.oneof(fc.constantFrom(0, 1, DAY / 2, DAY - 1), fc.integer({ min: 0, max: DAY - 1 })),
    )
    .map(([day, offset]) => (FIRST_DAY + day) * DAY + offset)

const kind = fc.constantFrom<LabelKind>(GENUINE, GENUINE, PLAIN_FRAUD, PLAIN_FRAUD, BIG_FRAUD)

const labelEvents = (days: number): fc.Arbitrary<LabelEvent[]> =>
  fc.array(
    fc.record({
      merchant: fc.constantFrom('m-1', 'm-1', 'm-1', 'm-2', 'Ñandú'),
      time: time(days),
      kind,
      late: fc.constantFrom(false, false, false, false, true),
    }),
    { maxLength: 60, size: 'max' },
  )

/** The merchant and moment of a question: at the edges of what is known. */
const asked = (events: LabelEvent[], moments: number[], delay = DELAY): [string, number][] => [
  ...events.flatMap(({ merchant, time: t }): [string, number][] =>
    [-1, 0, 1].map((ms) => [merchant, t + delay * DAY + ms]),
  ),
  ...moments.map((t): [string, number] => ['m-1', t + delay * DAY]),
]

test('what is known of a merchant is what the definition says, at any moment of any day', () => {
  const check = (days: number) =>
    fc.property(
      labelEvents(days),
      fc.array(time(days), { maxLength: 20 }),
      fc.constantFrom(1, 7),
      (events, moments, delay) => {
        const references = chain(events, days, delay)
        for (const [merchant, t] of asked(events, moments, delay)) {
          const reference = references.get(dayOf(t))
          if (reference === undefined) continue
          const expected = expectedOfMerchant(events, merchant, t, delay)
          assert.deepEqual(featuresAt(reference, merchant, t), expected, `${merchant} at ${t}`)
        }
      },
    )
  fc.assert(check(4), { numRuns: 150 })
  fc.assert(check(130), { numRuns: 100 })
})

test('a reference that went through bytes answers the same, and so does the one built from it', () => {
  const throughBytes = (reference: ReferenceDay) =>
    decodeReference(Buffer.concat([...encodeReference(reference)]), { withCounts: true })
  fc.assert(
    fc.property(labelEvents(40), (events) => {
      const plain = chain(events, 40)
      const other = chain(events, 40, DELAY, throughBytes)
      for (const [merchant, t] of asked(events, [])) {
        if (!plain.has(dayOf(t))) continue
        const expected = featuresAt(plain.get(dayOf(t))!, merchant, t)
        assert.deepEqual(featuresAt(other.get(dayOf(t))!, merchant, t), expected)
      }
    }),
    { numRuns: 50 },
  )
})

test('a reference may be read without its counts: it answers, and none is built from it', () => {
  const events = [0, 1, 2].map(
    (n): LabelEvent => ({
      merchant: 'm-1',
      time: NOON + n * DAY,
      kind: PLAIN_FRAUD,
      late: false,
    }),
  )
  const whole = chain(events, 3).get(FIRST_DAY + DELAY + 2)!
  const bytes = Buffer.concat([...encodeReference(whole)])
  const small = decodeReference(bytes, { withCounts: false })
  const t = NOON + (DELAY + 2) * DAY
  assert.deepEqual(featuresAt(small, 'm-1', t), featuresAt(whole, 'm-1', t))
  assert.equal(featuresAt(small, 'm-1', t)[0], 3)
  assert.throws(() => nextReference(small, new DayEvents(small.dueDay + 1)), /without its counts/)
  assert.throws(() => decodeReference(bytes.subarray(0, -1), { withCounts: true }), RangeError)
  assert.throws(() => decodeReference(bytes.subarray(0, 100), { withCounts: true }), RangeError)
})

test('a large reference is cut into pieces and comes back whole', () => {
  const day = new DayEvents(FIRST_DAY)
  for (let m = 0; m < 4000; m++) day.add(`merchant-${m}`, NOON + m, (m % 3) as LabelKind)
  const reference = nextReference(firstReference(day, DELAY), new DayEvents(FIRST_DAY + 1))
  const pieces = [...encodeReference(reference)]
  assert.ok(pieces.length > 1 && pieces.slice(0, -1).every((piece) => piece.length === 1024 * 1024))
  const back = decodeReference(Buffer.concat(pieces), { withCounts: true })
  assert.deepEqual(back.parts, reference.parts)
})

test('the reference of many merchants is made in steps, between which others have their turn', () => {
  const dueOn = (day: number) => {
    const due = new DayEvents(day)
    for (let m = 0; m < 10_000; m++) due.add(`m-${m}`, day * DAY, GENUINE)
    return due
  }
  const steps = nextReferenceInSteps(firstReference(dueOn(FIRST_DAY), DELAY), dueOn(FIRST_DAY + 1))
  let turns = 0
  while (!steps.next().done) turns++
  assert.ok(turns >= 100, `${turns}`)
})

test('nothing is known without a reference or without a merchant', () => {
  const events: LabelEvent[] = [{ merchant: '', time: NOON, kind: PLAIN_FRAUD, late: false }]
  const reference = chain(events, 1).get(FIRST_DAY + DELAY)!
  const nothing = MERCHANT_FEATURES.map(() => Number.NaN)
  assert.deepEqual(featuresAt(null, 'm-1', NOON), nothing)
  assert.deepEqual(featuresAt(reference, null, NOON + DELAY * DAY), nothing)
  assert.deepEqual(featuresAt(reference, '', NOON + DELAY * DAY), nothing)
})

test('a fraud is plain unless its amount, in the 32 bits that are stored, is big for the account', () => {
  assert.equal(labelKind(true, 2.1), PLAIN_FRAUD)
  assert.equal(labelKind(true, 2.3), BIG_FRAUD)
  assert.equal(labelKind(true, Number.NaN), PLAIN_FRAUD)
  assert.equal(labelKind(false, 9), GENUINE)
  assert.equal(labelKind(null, 9), GENUINE)
  // What is 2.2 in the bits that are stored is not big, to labels and to the account.
  for (const ratio of [110 / 50, 2.1999999999, 2.2000000001, Math.fround(2.2)]) {
    assert.equal(labelKind(true, ratio), PLAIN_FRAUD)
    assert.equal(isBigRatio(ratio), false)
  }
})

test('events of another day are refused', () => {
  const day = new DayEvents(FIRST_DAY)
  assert.throws(() => day.add('m-1', (FIRST_DAY + 1) * DAY, GENUINE), RangeError)
  assert.throws(() => day.add('m-1', FIRST_DAY * DAY - 1, GENUINE), RangeError)
  assert.throws(() => day.add('m-1', Number.NaN, GENUINE), RangeError)
  const reference = firstReference(day, DELAY)
  assert.throws(() => nextReference(reference, new DayEvents(FIRST_DAY)), /reference of day/)
})
