import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type RecoveryContext,
  type RecoveryRun,
  renderRecovery,
  summariseRecovery,
} from '../../bench/recovery-report.ts'

const context: RecoveryContext = {
  accounts: 50_000,
  records: 300_000,
  partitions: 6,
  checkpoint_seconds: 1,
  session_timeout_seconds: 10,
  machine: {
    platform: 'linux x64',
    cores: 2,
    cpu: 'Some CPU',
    memory_gib: 24,
    node: '24.21.0',
    postgres: '18.4',
    kafka: '4.1.1',
    load_before: 0.5,
  },
}

const run = (recovery_seconds: number, withCheckpoints: number, without: number): RecoveryRun => ({
  recovery_seconds,
  own_seconds: 0.5,
  all_partitions_seconds: recovery_seconds + 1,
  restore_seconds: 0.4,
  replayed: 120,
  checkpoint_bytes: 7_500_000,
  accounts_restored: 50_000,
  tps_with_checkpoints: withCheckpoints,
  tps_without_checkpoints: without,
  cpu_us_with_checkpoints: 6.5,
  cpu_us_without_checkpoints: 6.25,
  checkpoints: 12,
  order: ['with', 'without'],
})

const runs = [run(9, 90_000, 100_000), run(8, 80_000, 110_000), run(10, 95_000, 90_000)]

test('each figure is the median of its runs, and the cost is of those medians', () => {
  const report = summariseRecovery(runs, context)
  assert.equal(report.recovery_seconds, 9)
  assert.equal(report.tps_with_checkpoints, 90_000)
  assert.equal(report.tps_without_checkpoints, 100_000)
  assert.equal(report.checkpoint_cost, 0.1)
})

test('checkpoints that cost nothing have a cost of 0 or below, not one that is made to look better', () => {
  const report = summariseRecovery([run(9, 110_000, 100_000)], context)
  assert.equal(report.checkpoint_cost, -0.1)
  assert.match(renderRecovery(report), /cost less than other work on the machine \(-10\.0 %\)/)
})

test('the cost at the default interval is what a checkpoint took, once a minute for each partition', () => {
  // 12 checkpoints took 3 s from 3 s to 6 s: 0.25 s each, 1.5 s of every 60 s.
  const report = summariseRecovery([run(9, 50_000, 100_000)], context)
  assert.equal(report.checkpoint_cost_at_60_seconds, 0.025)
})

test('the JSON has the keys that other programs read, and each run', () => {
  const report = JSON.parse(JSON.stringify(summariseRecovery(runs, context)))
  for (const key of [
    'accounts',
    'recovery_seconds',
    'session_timeout_seconds',
    'checkpoint_bytes',
    'tps_with_checkpoints',
    'tps_without_checkpoints',
    'checkpoint_cost',
    'replayed',
    'machine',
  ]) {
    assert.ok(key in report, key)
  }
  assert.equal(report.accounts, 50_000)
  assert.deepEqual(report.runs, runs)
})

test("the text has a line a run and one sentence with the recovery, Weir's own part, the cost and the machine", () => {
  const text = renderRecovery(summariseRecovery(runs, context))
  assert.match(text, /^ +2 +8\.00 s +0\.50 s +9\.00 s +120 +80,000 +110,000 +27\.3 %$/m)
  assert.match(
    text,
    /^50,000 accounts: 9\.00 s from kill -9 to the first new commit, 0\.50 s of them Weir's own; checkpoints of 7\.5 MB every 1 s cost 10\.0 % of the rate \(median of 3, 2 cores of Some CPU, /m,
  )
  assert.match(text, /session timeout, 10 s here/)
  assert.match(text, /own process: 6\.5 us a transaction with them, 6\.25 us without/)
})
