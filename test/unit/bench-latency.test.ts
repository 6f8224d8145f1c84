import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { monotonicMs } from '../../bench/clock.ts'
import { CommitTimes } from '../../bench/commit-times.ts'
import { Latencies } from '../../bench/latencies.ts'
import { dueAt, dueBy, sendOpenLoop } from '../../bench/open-loop.ts'
import { PackedRecords } from '../../bench/packed-records.ts'
import { transactions, type Workload } from '../../bench/workload.ts'
import { partitionOf } from '../../pipeline/produce/partitioner.ts'
import { transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'

test('a record is due at its own time, and none before the beginning or after the last', () => {
  const loop = { records: 10, rate: 1000 }
  assert.equal(dueBy(-0.1, loop), 0)
  assert.equal(dueBy(0, loop), 1)
  assert.equal(dueBy(4.9, loop), 5)
  assert.equal(dueBy(5, loop), 6)
  assert.equal(dueBy(1e6, loop), 10)
})

test('at any rate and time exactly those are due whose time has come', () => {
  const rates = fc.integer({ min: 1, max: 200_000 })
  fc.assert(
    fc.property(rates, fc.double({ min: 0, max: 100_000, noNaN: true }), (rate, ms) => {
      const loop = { records: 1e9, rate }
      const due = dueBy(ms, loop)
      assert.ok(dueAt(due - 1, loop) <= ms && dueAt(due, loop) > ms, `${due} at ${ms} ms`)
      assert.equal(dueBy(dueAt(due, loop), loop), due + 1)
    }),
  )
})

test('what a slow request delays is late by all of its wait, and shares the next request', async () => {
  const loop = { records: 200, rate: 1000, begin: monotonicMs() + 5 }
  const batches: number[][] = []
  const late: number[] = []
  await sendOpenLoop({
    ...loop,
    isOurs: (n) => n % 2 === 0,
    send: async (batch) => {
      batches.push(batch)
      if (batches.length === 1) await sleep(100)
    },
    onSent: (n, due, sent, acknowledged) => {
      assert.equal(due, loop.begin + n)
      assert.ok(sent >= due && acknowledged >= sent)
      late[n] = sent - due
    },
  })
  assert.deepEqual(
    batches.flat(),
    Array.from({ length: 100 }, (_, i) => 2 * i),
  )
  // The first request ends after 100 ms at the earliest: until then nothing is sent, and all of it is due.
  const [, second] = batches
  assert.ok(second.length >= 40, `${second.length} records in the second request`)
  const [first] = second
  assert.ok(late[first] >= 90 - first, `the record ${first} was only ${late[first]} ms late`)
})

test('a record is stored at the first look that shows it behind the position', () => {
  const commits = new CommitTimes()
  for (const [partition, next, time] of [
    [0, 0, 10],
    [1, 0, 10],
    [0, 0, 12],
    [0, 3, 14],
    [1, 1, 15],
    [0, 3, 16],
    [0, 5, 18],
  ]) {
    commits.see(partition, next, time)
  }
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((offset) => commits.of(0, offset)),
    [14, 14, 14, 18, 18],
  )
  assert.equal(commits.of(1, 0), 15)
  assert.deepEqual([commits.partitions, commits.total], [2, 6])
})

test('a record that never was behind its position has no latency, but fails', () => {
  const commits = new CommitTimes()
  commits.see(0, 5, 1)
  assert.throws(() => commits.of(0, 5), /record 0\/5 was never behind its position/)
  assert.throws(() => commits.of(1, 0), /record 1\/0/)
})

test('percentiles are exact to three digits, the highest to a microsecond, and none is above it', () => {
  const latencies = new Latencies()
  for (let n = 1; n <= 10_000; n++) latencies.add(n / 10)
  const isNear = (found: number, wanted: number) =>
    assert.ok(Math.abs(found / wanted - 1) <= 0.001, `${found} instead of ${wanted}`)
  isNear(latencies.at(50), 500)
  isNear(latencies.at(99), 990)
  isNear(latencies.at(99.9), 999)
  assert.equal(latencies.at(100), 1000)
  assert.deepEqual([latencies.max, latencies.count], [1000, 10_000])
})

test('a time that is rounded to less than nothing counts as nothing', () => {
  const latencies = new Latencies()
  latencies.add(-0.4)
  assert.deepEqual([latencies.count, latencies.at(50), latencies.max], [1, 0, 0])
})

test('packed records are those of the transactions, across chunks, each with its key and its partition', () => {
  const workload: Workload = { records: 20_001, accounts: 100, ids: 'sequential' }
  const packed = new PackedRecords(transactions(workload), workload.records, 7, 6)
  let n = 0
  for (const transaction of transactions(workload)) {
    const { key, value } = packed.at(n)
    assert.equal(key.toString(), transaction.account_id)
    assert.deepEqual(value, frame(7, transactionType, transaction))
    assert.equal(packed.partition(n), partitionOf(transaction.account_id, 6))
    if (++n === workload.records) break
  }
})
