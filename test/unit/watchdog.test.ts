import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError } from '../../pipeline/errors.ts'
import { createMetrics } from '../../pipeline/metrics.ts'
import { watch } from '../../pipeline/watchdog.ts'
import { until } from '../harness.ts'
import { quiet } from '../support/topics.ts'

const STALL_MS = 50

/** Those of tests that failed would keep this process. */
const closings: AbortController[] = []
after(() => {
  for (const closing of closings) closing.abort()
})

type Partition = { partition: number; committed: number; end: number }

/** One partition with work by default, which nobody does. */
function guarded(given: {
  partitions?: Partition[]
  excused?: () => boolean
  answer?: () => Promise<unknown>
  rejoin?: () => void
}) {
  const closing = new AbortController()
  closings.push(closing)
  const partitions = given.partitions ?? [{ partition: 0, committed: 7, end: 107 }]
  let rejoins = 0
  const done = watch({
    stallMs: STALL_MS,
    owned: () => partitions,
    ends: async () => {
      await given.answer?.()
      return new Map(partitions.map(({ partition, end }) => [partition, end]))
    },
    excused: given.excused ?? (() => false),
    rejoin: async () => {
      rejoins++
      given.rejoin?.()
    },
    metrics: createMetrics(),
    log: quiet,
    closing: closing.signal,
  })
  done.catch(() => {})
  return { done, rejoins: () => rejoins, close: () => closing.abort() }
}

async function runsQuietly(given: Parameters<typeof guarded>[0]): Promise<number> {
  const dog = guarded(given)
  await sleep(5 * STALL_MS)
  dog.close()
  await dog.done
  return dog.rejoins()
}

const every = (ms: number, act: () => void, t: { after: (end: () => void) => void }): void => {
  const timer = setInterval(act, ms)
  t.after(() => clearInterval(timer))
}

test('work that is not done: the group is joined anew, then the process ends', async () => {
  const dog = guarded({})
  await assert.rejects(dog.done, (error: Error) => {
    assert.ok(error instanceof FatalError)
    assert.match(error.message, /100 records in partition 0/)
    return true
  })
  assert.equal(dog.rejoins(), 1)
})

test('rejoining that helps is enough', async (t) => {
  const one = { partition: 0, committed: 0, end: 1e9 }
  let flows = false
  every(2, () => void (flows && one.committed++), t)
  const dog = guarded({ partitions: [one], rejoin: () => (flows = true) })
  await until(() => dog.rejoins() > 0, { what: 'the stall to be seen' })
  await sleep(4 * STALL_MS)
  dog.close()
  await dog.done
  assert.equal(dog.rejoins(), 1)
})

test('a partition that stands is seen though another one moves', async (t) => {
  const moving = { partition: 0, committed: 0, end: 1e9 }
  every(2, () => moving.committed++, t)
  const dog = guarded({ partitions: [moving, { partition: 1, committed: 7, end: 8 }] })
  await assert.rejects(dog.done, /1 records in partition 1/)
})

test('a record now and then is no stall, whenever it is looked at', async (t) => {
  const one = { partition: 0, committed: 7, end: 7 }
  // In flight for a fifth of the time that makes a stall, again and again.
  every(STALL_MS / 2, () => one.end++, t)
  await sleep(STALL_MS / 5)
  every(STALL_MS / 2, () => one.committed++, t)
  assert.equal(await runsQuietly({ partitions: [one] }), 0)
})

test('a stall long after one that rejoining mended begins anew', async () => {
  const one = { partition: 0, committed: 7, end: 8 }
  const dog = guarded({ partitions: [one], rejoin: () => (one.committed = one.end) })
  await until(() => dog.rejoins() === 1, { what: 'the first stall to be seen' })
  await sleep(STALL_MS)
  one.end++
  await Promise.race([dog.done, until(() => dog.rejoins() === 2, { what: 'the second stall to be seen' })])
  dog.close()
  await dog.done
})

test('nothing to do is no stall', async () => {
  assert.equal(await runsQuietly({ partitions: [{ partition: 0, committed: 7, end: 7 }] }), 0)
})

test('waiting for a server is no stall', async () => {
  assert.equal(await runsQuietly({ excused: () => true }), 0)
})

test('Kafka being away is no stall, be it refused or not answered', async () => {
  assert.equal(await runsQuietly({ answer: () => Promise.reject(new Error('away')) }), 0)
  assert.equal(await runsQuietly({ answer: () => new Promise(() => {}) }), 0)
})
