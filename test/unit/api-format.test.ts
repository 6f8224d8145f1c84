import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayAndTime, mainReason, money, reasonsOf, scoreText } from '../../api/pages/format.ts'
import type { Item } from '../../api/sql/items.ts'

const item = (fields: Partial<Item>): Item => fields as Item

test('money keeps every decimal that counts and groups thousands', () => {
  const cases: [string, string][] = [
    ['0.0000', '0.00'],
    ['12.3400', '12.34'],
    ['12.3456', '12.3456'],
    ['1234567.5000', '1,234,567.50'],
    ['999999999.9999', '999,999,999.9999'],
  ]
  for (const [amount, text] of cases) assert.equal(money(amount), text)
})

test('a score is cut, not rounded up to certainty', () => {
  assert.equal(scoreText(0.999), '0.99')
  assert.equal(scoreText(0.7), '0.70')
  assert.equal(scoreText(0.29), '0.29')
  assert.equal(scoreText(1), '1.00')
})

test('times are shown in UTC', () => {
  assert.deepEqual(dayAndTime('2026-11-24T23:59:59.999Z'), { day: '24 Nov 2026', time: '23:59:59' })
})

test('the main reason is the sentence of alert_reason, else its code', () => {
  const reasons = [
    { code: 'A', score: 0.8, message: 'First.' },
    { code: 'B', score: 0.9, message: 'Second.' },
  ]
  assert.equal(mainReason(item({ alert_reason: 'B', reasons })), 'Second.')
  assert.deepEqual(
    reasonsOf(item({ alert_reason: 'B', reasons })).map((r) => r.code),
    ['B', 'A'],
  )
  assert.equal(mainReason(item({ alert_reason: 'HIGH_AMOUNT', reasons: null })), 'high amount')
  assert.equal(mainReason(item({ alert_reason: null, reasons: [] })), 'no reason recorded')
})
