import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveRows, takeRows } from '../../pipeline/features/row-arrays.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { batchOf } from '../support/batches.ts'
import { simulated } from '../support/simulated.ts'
import { DAY } from '../support/transactions.ts'

test('every feature of every row is written, whatever was in the array before', () => {
  const transactions = simulated(3000, 5)
  // Late ones, and such of which little is known, too.
  for (let i = 2; i < transactions.length; i += 7) {
    const { timestamp } = transactions[i]
    transactions[i] = { ...transactions[i], timestamp: timestamp - 3 * DAY, merchant_id: null, location: '' }
    transactions[i - 1] = { ...transactions[i - 1], currency: 'XXX', merchant_category: '' }
  }
  const before = computeFeatures(batchOf(transactions)).features.slice()
  giveRows(new Float64Array(before.length + 100).fill(12_345.678))
  const { features } = computeFeatures(batchOf(transactions))
  assert.ok(features.buffer.byteLength > features.byteLength, 'the array that was given back is used')
  assert.deepEqual(features, before)
})

test('arrays are used again, the first that is long enough', () => {
  const [small, large] = [takeRows(10), takeRows(1000)]
  giveRows(small)
  giveRows(large)
  const taken = takeRows(500)
  assert.equal(taken.buffer, large.buffer)
  assert.notEqual(takeRows(500).buffer, large.buffer)
})

test('long arrays are used again though many short ones came first', () => {
  for (const array of Array.from({ length: 40 }, () => takeRows(7))) giveRows(array)
  const long = takeRows(3000)
  giveRows(long)
  assert.equal(takeRows(3000).buffer, long.buffer)
})
