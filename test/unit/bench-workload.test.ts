import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactions, type Workload } from '../../bench/workload.ts'
import { validate } from '../../pipeline/decode/validate.ts'
import type { Transaction } from '../../schemas/transaction.ts'

const firstOf = (workload: Workload, seed?: number): Transaction[] => {
  const stream = transactions(workload, seed)
  return Array.from({ length: workload.records }, () => stream.next().value)
}

test('the same workload and seed give the same transactions, another seed others', () => {
  const workload: Workload = { records: 500, accounts: 50, ids: 'sequential' }
  assert.deepEqual(firstOf(workload), firstOf(workload))
  assert.deepEqual(firstOf(workload, 2), firstOf(workload, 2))
  assert.notDeepEqual(firstOf(workload), firstOf(workload, 2))
})

test('all transactions are valid, of as many accounts as asked for, in the order of their times, and past', () => {
  const found = firstOf({ records: 20_000, accounts: 200, ids: 'sequential' })
  const now = Date.UTC(2026, 0, 1)
  for (const tx of found) assert.equal(validate(tx, now - 86_400_000, Buffer.alloc(0)), null)
  assert.ok(found.every((tx, i) => i === 0 || tx.timestamp >= found[i - 1].timestamp))
  assert.equal(new Set(found.map((tx) => tx.account_id)).size, 200)
})

test('ids differ, and ascend unless they are to be random', () => {
  const ascending = firstOf({ records: 1000, accounts: 100, ids: 'sequential' }).map(
    (tx) => tx.transaction_id,
  )
  const random = firstOf({ records: 1000, accounts: 100, ids: 'uuid' }).map((tx) => tx.transaction_id)
  assert.deepEqual(ascending, [...new Set(ascending)].sort())
  assert.equal(new Set(random).size, 1000)
  assert.notDeepEqual(random, random.toSorted())
  assert.match(random[0], /^[0-9a-f-]{36}$/)
})
