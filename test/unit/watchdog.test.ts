import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FatalError } from '../../pipeline/errors.ts'
import { createMetrics } from '../../pipeline/metrics.ts'
import { watch } from '../../pipeline/watchdog.ts'
import { createLogger } from '../../schemas/log.ts'

const STALL_MS = 50

function guarded(given: {
  stored?: () => number
  excused?: () => boolean
  lag?: () => Promise<number>
  rejoin?: () => void
}) {
  const closing = new AbortController()
  let rejoins = 0
  const done = watch({
    stallMs: STALL_MS,
    stored: given.stored ?? (() => 7),
    excused: given.excused ?? (() => false),
    lag: given.lag ?? (async () => 100),
    rejoin: async () => {
      rejoins++
      given.rejoin?.()
    },
    metrics: createMetrics(),
    log: createLogger('test', 'silent'),
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

test('work that is not done: the group is joined anew, then the process ends', async () => {
  const dog = guarded({})
  await assert.rejects(dog.done, FatalError)
  assert.equal(dog.rejoins(), 1)
})

test('rejoining that helps is enough', async () => {
  let stored = 0
  let flows = false
  const flowing = setInterval(() => {
    if (flows) stored++
  }, 2)
  const rejoins = await runsQuietly({ stored: () => stored, rejoin: () => (flows = true) })
  clearInterval(flowing)
  assert.equal(rejoins, 1)
})

test('nothing to do is no stall', async () => {
  assert.equal(await runsQuietly({ lag: async () => 0 }), 0)
})

test('waiting for a server is no stall', async () => {
  assert.equal(await runsQuietly({ excused: () => true }), 0)
})

test('Kafka being away is no stall', async () => {
  assert.equal(await runsQuietly({ lag: () => Promise.reject(new Error('away')) }), 0)
})
