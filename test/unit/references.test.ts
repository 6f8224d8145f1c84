import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { createBatch } from '../../pipeline/batch.ts'
import { FatalError } from '../../pipeline/errors.ts'
import { F } from '../../pipeline/features/features.ts'
import { DayEvents, GENUINE } from '../../pipeline/features/label-events.ts'
import { firstReference } from '../../pipeline/features/reference-builder.ts'
import { canBuildAhead, ReferenceDay } from '../../pipeline/features/reference-day.ts'
import { features } from '../../pipeline/stages/features.ts'
import { allStored } from '../../pipeline/store/all-stored.ts'
import { StoredReferences, type StoredReferencesOptions } from '../../pipeline/store/references.ts'
import { createLogger } from '../../schemas/log.ts'
import { ownership } from '../support/batches.ts'
import { DAY, HOUR, NOON, transaction } from '../support/transactions.ts'

const TODAY = Math.floor(NOON / DAY)
const DELAY = 7

/** The reference of a day on which one transaction of m-1 becomes known. */
function referenceOf(day: number) {
  const due = new DayEvents(day - DELAY)
  due.add('m-1', due.day * DAY, GENUINE)
  return firstReference(due, DELAY)
}

const storedReferences = (
  ensure: StoredReferencesOptions['ensure'],
  { closing = new AbortController().signal, canExpect = true } = {},
) => new StoredReferences({ ensure, canExpect, log: createLogger('test', 'silent'), closing })

const failure = (code: string) => Object.assign(new Error(`failed with ${code}`), { code })

test('a database that is away is waited for, and told so', async () => {
  const asked: [number[], boolean][] = []
  const waiting: boolean[] = []
  const references = storedReferences(async (days, isBlocked) => {
    asked.push([[...days], isBlocked])
    waiting.push(references.isWaiting)
    if (asked.length === 1) throw failure('ECONNREFUSED')
    if (asked.length === 2) throw failure('55P03')
    return days.map(referenceOf)
  })
  assert.equal(references.get(TODAY), undefined)
  const [reference] = await references.load([TODAY])
  assert.equal(references.get(TODAY), reference)
  assert.deepEqual(asked, [
    [[TODAY], false],
    [[TODAY], false],
    [[TODAY], true],
  ])
  assert.deepEqual([...waiting, references.isWaiting], [false, true, true, false])
})

test('what takes long without an error is no trouble with the database, and told as such', async () => {
  const told: boolean[][] = []
  const references = storedReferences(async (days) => {
    told.push([references.isLoading, references.isWaiting])
    return days.map(referenceOf)
  })
  await references.load([TODAY])
  assert.deepEqual(
    [...told, [references.isLoading, references.isWaiting]],
    [
      [true, false],
      [false, false],
    ],
  )
})

test('what no retry mends ends the pipeline, and closing ends the tries', async () => {
  const refused = storedReferences(() => Promise.reject(failure('42501')))
  await assert.rejects(
    refused.load([TODAY]),
    (error) => error instanceof FatalError && /2026-11-24/.test(error.message),
  )
  const away = storedReferences(() => Promise.reject(failure('ECONNREFUSED')), {
    closing: AbortSignal.abort(),
  })
  await assert.rejects(away.load([TODAY]), /ECONNREFUSED/)
})

test('as much stays in memory as it is allowed, and two days at least', async () => {
  const kept = async (events: number) => {
    const due = new DayEvents(TODAY)
    for (let i = 0; i < events; i++) due.add('m-1', TODAY * DAY + i, GENUINE)
    const { parts } = firstReference(due, DELAY)
    const references = storedReferences(async (days) =>
      days.map((day) => new ReferenceDay({ ...parts, day })),
    )
    for (let day = 0; day < 7; day++) await references.load([day])
    return [0, 1, 2, 3, 4, 5, 6].filter((day) => references.get(day) !== undefined)
  }
  assert.deepEqual(await kept(1), [0, 1, 2, 3, 4, 5, 6])
  assert.deepEqual(await kept(3_000_000), [2, 3, 4, 5, 6])
  assert.deepEqual(await kept(9_000_000), [5, 6])
})

test('a day that is loaded twice counts once', async () => {
  const due = new DayEvents(TODAY)
  for (let i = 0; i < 3_000_000; i++) due.add('m-1', TODAY * DAY + i, GENUINE)
  const { parts } = firstReference(due, DELAY)
  const references = storedReferences(async (days) => days.map((day) => new ReferenceDay({ ...parts, day })))
  await Promise.all([references.load([1]), references.load([1]), references.load([1])])
  for (const day of [2, 3, 4, 5]) await references.load([day])
  assert.ok([1, 2, 3, 4, 5].every((day) => references.get(day) !== undefined))
})

test('a batch waits for its days before it touches any state, and keeps them though others go from memory', async () => {
  const owner = ownership()
  const states: number[] = []
  const references = storedReferences(async (days) => {
    states.push(owner.states.accounts)
    return days.map(referenceOf)
  })
  const stage = features(references)
  const batch = createBatch(owner, 0, 3, [])
  batch.transactions = [1, 0, 1, 9].map((days) => transaction({ timestamp: NOON + days * DAY }))
  const judged = stage(batch)
  assert.ok(judged instanceof Promise)
  await judged
  assert.deepEqual(states, [0])
  assert.deepEqual(
    batch.transactions.map(
      (_, row) => batch.features[(row * batch.features.length) / 4 + F.merchant_known_30d],
    ),
    [1, 1, 1, 1],
  )
  const next = createBatch(owner, 3, 4, [])
  next.transactions = [transaction({ timestamp: NOON + DAY })]
  assert.ok(!(stage(next) instanceof Promise), 'what is loaded is not waited for')
  const forgetful = features({ get: () => undefined, load: async (days) => days.map(referenceOf) })
  assert.ok(!(forgetful(batch) instanceof Promise), 'it is judged again by what it has')
})

/** A batch of one transaction, so many hours after the day began. */
function batchAt(owner: ReturnType<typeof ownership>, hours: number) {
  const batch = createBatch(owner, 0, 1, [])
  batch.transactions = [transaction({ timestamp: TODAY * DAY + hours * HOUR })]
  return batch
}

test("the next day's reference is made before the day begins, once, and nobody waits for it", async () => {
  const asked: number[] = []
  const building = Promise.withResolvers<void>()
  const references = storedReferences(async (days) => {
    asked.push(...days)
    if (days[0] > TODAY) await building.promise
    return days.map(referenceOf)
  })
  const stage = features(references)
  const owner = ownership()
  await stage(batchAt(owner, 17.9))
  assert.deepEqual(asked, [TODAY])
  assert.ok(!(stage(batchAt(owner, 18)) instanceof Promise), 'a day to come holds nobody up')
  assert.ok(!(stage(batchAt(owner, 23.9)) instanceof Promise))
  assert.deepEqual([asked, references.isLoading], [[TODAY, TODAY + 1], false])
  const early = stage(batchAt(owner, 24))
  assert.ok(early instanceof Promise, 'who comes before it is ready waits')
  assert.ok(references.isLoading)
  building.resolve()
  await early
  assert.ok(!(stage(batchAt(owner, 25)) instanceof Promise))
  assert.deepEqual(asked, [TODAY, TODAY + 1])
})

test('a day to come whose reference cannot be had is asked for again when it is there', async () => {
  let tries = 0
  const references = storedReferences(async (days) => {
    if (++tries === 1) throw failure('ECONNREFUSED')
    return days.map(referenceOf)
  })
  references.expect(TODAY)
  references.expect(TODAY)
  const [reference] = await references.load([TODAY])
  assert.equal(references.get(TODAY), reference)
  assert.deepEqual([tries, references.isWaiting], [2, false])
  const daily = storedReferences(() => assert.fail('its transactions are still coming'), { canExpect: false })
  daily.expect(TODAY)
})

test('partitions whose evenings are of different days have one try for each, however many batches ask', async () => {
  const asked: number[] = []
  const building = Promise.withResolvers<void>()
  const references = storedReferences(async (days) => {
    asked.push(...days)
    await building.promise
    return days.map(referenceOf)
  })
  for (let n = 0; n < 50; n++) {
    references.expect(TODAY + 1)
    references.expect(TODAY + 4)
  }
  assert.deepEqual(asked, [TODAY + 1, TODAY + 4])
  building.resolve()
  await references.load([TODAY + 1, TODAY + 4])
  assert.deepEqual(asked, [TODAY + 1, TODAY + 4])
})

test('a day to come that had to go from memory is not loaded again by every batch of the evening', async () => {
  const due = new DayEvents(TODAY)
  for (let i = 0; i < 9_000_000; i++) due.add('m-1', TODAY * DAY + i, GENUINE)
  const { parts } = firstReference(due, DELAY)
  const asked: number[] = []
  const references = storedReferences(async (days) => {
    asked.push(...days)
    return days.map((day) => new ReferenceDay({ ...parts, day }))
  })
  references.expect(9)
  await references.load([9])
  await references.load([1, 2])
  assert.equal(references.get(9), undefined)
  references.expect(9)
  references.expect(9)
  assert.deepEqual(asked, [9, 1, 2])
  const [reference] = await references.load([9])
  assert.equal(reference?.day, 9)
})

test('a day to come that is not to be had yet is asked for again after a minute, not by every batch', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let tries = 0
  const references = storedReferences(async () => {
    tries++
    return [null]
  })
  for (let n = 0; n < 3; n++) references.expect(TODAY)
  await setImmediate()
  t.mock.timers.tick(59_000)
  references.expect(TODAY)
  assert.equal(tries, 1)
  t.mock.timers.tick(1000)
  references.expect(TODAY)
  assert.equal(tries, 2)
})

test('a day is built ahead only when all that becomes known on it has come by then', () => {
  assert.deepEqual(
    [
      [1, 1],
      [2, 18],
      [2, 19],
      [3, 42],
      [7, 24],
    ].map(([delay, lateness]) => canBuildAhead(delay, lateness)),
    [false, true, false, true, true],
  )
})

test('who builds waits for the old batches that are judged, not for those that come meanwhile', async () => {
  const owner = ownership()
  const old = () => {
    const batch = createBatch(owner, 0, 1, [])
    batch.references.set(TODAY - DELAY, null)
    return batch
  }
  owner.judged.push(old(), old())
  let isOver = false
  const stored = allStored([owner], TODAY - DELAY).then(() => {
    isOver = true
  })
  owner.judged.push(old())
  owner.judged.shift()
  await sleep(30)
  assert.ok(!isOver, 'one of the two is not stored yet')
  owner.judged.shift()
  await stored
  await allStored([owner], TODAY - DELAY - 1)
})
