import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { cpuTime, cpuTimeIn, treeOf } from '../../bench/cpu-time.ts'
import { memoryOf } from '../../bench/process-watch.ts'

const LINUX = { skip: process.platform !== 'linux' }
const BURN = 'for (const end = process.cpuUsage().user + 300_000; process.cpuUsage().user < end; );'

test("a process's own time and that of its ended children are added up, whatever its name holds", () => {
  const stat = '77 (postgres: a) (b c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 5'
  assert.equal(cpuTimeIn(stat), 2_500_000)
})

test('the time of a child counts while it runs, and after it has ended', LINUX, async (t) => {
  const child = spawn(process.execPath, ['-e', `${BURN} console.log('burnt'); setInterval(() => {}, 1000)`])
  t.after(() => child.kill('SIGKILL'))
  const before = cpuTime(process.pid)!
  await once(child.stdout, 'data')
  assert.deepEqual(treeOf(child.pid!), [child.pid])
  assert.ok(treeOf(process.pid).includes(child.pid!))
  const running = cpuTime(process.pid)!
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.ok(!treeOf(process.pid).includes(child.pid!))
  assert.ok(running - before > 200_000, String(running - before))
  assert.ok(cpuTime(process.pid)! >= running)
})

test('a child that came and went between two looks is not lost', LINUX, () => {
  const before = cpuTime(process.pid)!
  spawnSync(process.execPath, ['-e', BURN])
  assert.ok(cpuTime(process.pid)! - before >= 290_000)
})

test('memory is that of a process and all that descend from it', LINUX, async (t) => {
  const alone = memoryOf(process.pid)!
  const child = spawn(process.execPath, ['-e', `console.log('on'); setInterval(() => {}, 1000)`])
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const both = memoryOf(process.pid)!
  assert.ok(both.rss_mb > alone.rss_mb + 20, `${both.rss_mb} after ${alone.rss_mb}`)
  assert.ok(both.peak_rss_mb >= both.rss_mb)
})
