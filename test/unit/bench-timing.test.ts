import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { timePositions } from '../../bench/pipeline-rate.ts'

const never = new AbortController().signal

/** Looks that answer one after another, the last one for ever. */
function looks(...answers: (number | null)[]) {
  let at = 0
  return async () => answers[Math.min(at++, answers.length - 1)]
}

test('the time before the first position does not count', async () => {
  const until = performance.now() + 300
  const look = async () => {
    await sleep(1)
    return performance.now() < until ? null : 100
  }
  assert.ok((await timePositions(look, 100, never)) < 0.2)
})

test('it runs until the last record is behind the positions, and not before', async () => {
  const seconds = await timePositions(looks(null, 0, 50, 99, 100), 100, never)
  // Three looks that were not enough, 50 ms after each.
  assert.ok(seconds >= 0.15 && seconds < 1, String(seconds))
})

test('a failing look ends it', async () => {
  const look = () => Promise.reject(new Error('connection lost'))
  await assert.rejects(timePositions(look, 100, never), /connection lost/)
})

test('an interrupt ends it', async () => {
  const end = new AbortController()
  const timed = timePositions(looks(10), 100, end.signal)
  end.abort(new Error('interrupted'))
  await assert.rejects(timed, { name: 'AbortError' })
})
