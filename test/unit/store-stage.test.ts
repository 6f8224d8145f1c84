import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import { type TestContext, test } from 'node:test'
import timers from 'node:timers/promises'
import type { Batch } from '../../pipeline/batch.ts'
import { createMetrics } from '../../pipeline/metrics.ts'
import { store } from '../../pipeline/stages/store.ts'
import type { Lane } from '../../pipeline/store/lane.ts'
import { batchOf, ownership } from '../support/batches.ts'
import { transaction } from '../support/transactions.ts'

/** Milliseconds between the beginnings of a lane's transactions. */
const SPACING = 5
/** Batches that each lane may have. */
const BOUND = 200

/** A clock that goes on by itself when somebody sleeps, and not else. */
function virtualClock(t: TestContext) {
  const clock = { now: 1000 }
  t.mock.method(performance, 'now', () => clock.now)
  t.mock.method(timers, 'setTimeout', async (ms: number) => {
    clock.now += ms
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  return clock
}

/** The stage over one lane that does with batches what the test says. */
function stage(storing: (batches: readonly Batch[]) => Promise<void>) {
  const lane = {
    async store(batches, settle) {
      await storing(batches)
      for (const batch of batches) settle(batch, 'stored')
    },
  } as Pick<Lane, 'store'> as Lane
  const deps = { queueBatches: 4, commitMaxRecords: 10_000, metrics: createMetrics() }
  return store({ ...deps, lanes: [lane], onStored: () => {}, onFenced: () => {} })
}

function* smallBatches(): Generator<Batch, never> {
  const owner = ownership()
  for (let from = 0; ; from++) {
    const batch = batchOf([transaction()], owner, from)
    owner.judged.push(batch)
    yield batch
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('the transactions of a lane begin 5 ms apart, and the first after a pause begins at once', async (t) => {
  const clock = virtualClock(t)
  const began: number[] = []
  let seconds: (took: number) => void = () => {}
  const end = stage(async () => {
    began.push(clock.now)
    const took = await new Promise<number>((resolve) => {
      seconds = resolve
    })
    clock.now += took
  })
  const batches = smallBatches()
  const add = async () => {
    end.write(batches.next().value)
    await settled()
  }
  await add()
  assert.deepEqual(began, [1000], 'nothing to wait for')
  await add() // while the first is stored
  seconds(2)
  await settled()
  assert.deepEqual(began, [1000, 1000 + SPACING], 'the next one waits for the rest')
  await add()
  seconds(30)
  await settled()
  assert.equal(began[2], 1000 + SPACING + 30, 'one that took longer is followed at once')
  seconds(1)
  await settled()
  clock.now += 100
  const resumed = clock.now
  await add()
  assert.equal(began[3], resumed, 'after a pause')
  seconds(1)
  await settled()
  await add()
  assert.equal(began[4], resumed + SPACING, 'a pause gives no credit')
  seconds(0)
})

test('a lane that stands takes 200 small batches and no more, and goes on when there is room', async (t) => {
  virtualClock(t)
  let release: () => void = () => {}
  const together: number[] = []
  const end = stage(async (batches) => {
    together.push(batches.length)
    await new Promise<void>((resolve) => {
      release = resolve
    })
  })
  const batches = smallBatches()
  let taken = 0
  for (let i = 0; i < 5 * BOUND; i++) end.write(batches.next().value, () => taken++)
  await settled()
  // The last one is in the lane, too; its turn to be told of comes with room.
  assert.equal(taken, BOUND - 1)
  assert.deepEqual(together, [1])
  release()
  await settled()
  assert.ok(together[1] >= BOUND - 1, 'what had to wait is stored together')
  for (let turn = 0; turn < 20 && taken < 5 * BOUND; turn++) {
    release()
    await settled()
  }
  assert.equal(taken, 5 * BOUND)
  assert.ok(Math.max(...together) <= BOUND, `${together}`)
})
