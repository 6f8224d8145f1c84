import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { include, memoryMb, watchProcess } from '../../bench/process-watch.ts'

const STATUS = 'Name:\tnode\nVmPeak:\t 2097152 kB\nVmHWM:\t  314368 kB\nVmRSS:\t  262144 kB\nThreads:\t11\n'

test("resident memory is read from the kernel's own words, in MiB", () => {
  assert.equal(memoryMb(STATUS, 'VmRSS'), 256)
  assert.equal(memoryMb(STATUS, 'VmHWM'), 307)
  assert.throws(() => memoryMb('Name:\tnode\nState:\tZ (zombie)\n', 'VmRSS'), /no VmRSS/)
})

test('a phase keeps its first, highest and last memory, and its most handles', () => {
  const first = include(undefined, 250, 30)
  const facts = include(include(first, 300, 28), 280, 29)
  assert.deepEqual(facts, { first_mb: 250, peak_mb: 300, last_mb: 280, handles: 30 })
})

test('each phase of a process has its own facts', { skip: process.platform !== 'linux' }, async () => {
  using watch = watchProcess<'small' | 'large' | 'never'>(process.pid)
  watch.begin('small')
  const small = watch.facts('small').peak_mb
  watch.begin('large')
  const bytes = Buffer.alloc(100 * 2 ** 20, 1)
  await sleep(250)
  const large = watch.facts('large')
  assert.ok(
    large.peak_mb > small + 90,
    `${large.peak_mb} MB with ${bytes.length} bytes more than ${small} MB`,
  )
  assert.ok(watch.facts('small').peak_mb < small + 1)
  // Both are the kernel's estimates, each counted a little late for every thread (proc_pid_status(5): "inaccurate").
  const highWater = watch.highWaterMb()!
  assert.ok(highWater >= large.peak_mb - 2, `${highWater} MB at most, and ${large.peak_mb} MB seen`)
  assert.ok(large.handles > 2)
  assert.throws(() => watch.facts('never'), /was not watched in the phase "never"/)
})
