import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate } from '../../pipeline/decode/validate.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'
import { codeOf, encoded } from '../support/writers.ts'

const check = (changes: Partial<Transaction>, recordTimestamp = NOON): string | null =>
  validate(transaction(changes), recordTimestamp, Buffer.alloc(0))?.code ?? null

const Y2000 = Date.UTC(2000, 0, 1)

const cases: [string, Partial<Transaction>, string | null][] = [
  ['a transaction_id of 64 bytes', { transaction_id: 'x'.repeat(64) }, null],
  ['a transaction_id of 65 bytes', { transaction_id: 'x'.repeat(65) }, 'INVALID_ID'],
  ['an empty transaction_id', { transaction_id: '' }, 'INVALID_ID'],
  ['an account_id of 32 letters of two bytes', { account_id: 'é'.repeat(32) }, null],
  ['an account_id of 33 letters of two bytes', { account_id: 'é'.repeat(33) }, 'INVALID_ID'],
  ['an account_id of 16 letters of four bytes', { account_id: '🏔'.repeat(16) }, null],
  ['an account_id of 22 letters of three bytes', { account_id: '€'.repeat(22) }, 'INVALID_ID'],
  ['an empty account_id', { account_id: '' }, 'INVALID_ID'],
  ['an amount of zero: a card check', { amount: 0 }, null],
  ['the smallest amount', { amount: 1 }, null],
  ['a negative amount', { amount: -1 }, 'INVALID_AMOUNT'],
  ['the largest amount', { amount: 9_999_999_999_999 }, null],
  ['an amount of 10^9', { amount: 10_000_000_000_000 }, 'INVALID_AMOUNT'],
  ['an amount that rounding brought to 2^63', { amount: 2 ** 63 }, 'INVALID_AMOUNT'],
  ['a currency in small letters', { currency: 'eur' }, null],
  ['a currency of two letters', { currency: 'EU' }, 'INVALID_CURRENCY'],
  ['a currency of four letters', { currency: 'EURO' }, 'INVALID_CURRENCY'],
  ['a currency with a line end', { currency: 'EUR\n' }, 'INVALID_CURRENCY'],
  ['a currency that is no ASCII', { currency: 'ЕUR' }, 'INVALID_CURRENCY'],
  ['an empty currency', { currency: '' }, 'INVALID_CURRENCY'],
  ['the first moment of 2000', { timestamp: Y2000 }, null],
  ['the last moment of 1999', { timestamp: Y2000 - 1 }, 'INVALID_TIMESTAMP'],
  ["a day after the record's own time", { timestamp: NOON + DAY }, null],
  ['a millisecond more than a day after it', { timestamp: NOON + DAY + 1 }, 'INVALID_TIMESTAMP'],
  ['a NUL in the transaction_id', { transaction_id: 'a\0' }, 'INVALID_TEXT'],
  ['a NUL in the account_id', { account_id: '\0' }, 'INVALID_TEXT'],
  ['a NUL in the merchant_id', { merchant_id: 'a\0b' }, 'INVALID_TEXT'],
  ['a NUL in the merchant_category', { merchant_category: '\0' }, 'INVALID_TEXT'],
  ['a NUL in the location', { location: 'Ly\0on' }, 'INVALID_TEXT'],
  ['no merchant, no category, no location', { merchant_id: null, merchant_category: '', location: '' }, null],
]
for (const [what, changes, code] of cases) {
  test(`${what} is ${code === null ? 'valid' : code}`, () => {
    assert.equal(check(changes), code)
  })
}

test('a Kafka time far in the future lets no event time from 2200 on through', () => {
  const claimed = Number.MAX_SAFE_INTEGER
  assert.equal(check({ timestamp: Date.UTC(2200, 0, 1) - 1 }, claimed), null)
  assert.equal(check({ timestamp: Date.UTC(2200, 0, 1) }, claimed), 'INVALID_TIMESTAMP')
  assert.equal(check({ timestamp: claimed }, claimed), 'INVALID_TIMESTAMP')
})

const TEXTS = ['transaction_id', 'account_id', 'merchant_id', 'merchant_category', 'location'] as const
/** Stands in for bytes that no JavaScript text can be encoded to. */
const MARK = '~~~'

/** A value with bytes in the place of the text's end. */
function withBytes(field: (typeof TEXTS)[number], bytes: number[], prefix = ''): Buffer {
  const value = encoded({ [field]: prefix + MARK })
  Buffer.from(bytes).copy(value, value.indexOf(MARK))
  return value
}

for (const field of TEXTS) {
  test(`${field} that is not UTF-8 is INVALID_TEXT, a replacement character that was sent is valid`, async () => {
    const broken = [
      [0xff, 0x61, 0x61], // no such byte
      [0x61, 0x61, 0xc3], // cut off
      [0xed, 0xa0, 0x80], // half of a surrogate pair
      [0xc0, 0x80, 0x61], // NUL, overlong
    ]
    for (const bytes of broken) {
      assert.equal(await codeOf(withBytes(field, bytes)), 'INVALID_TEXT')
      assert.equal(await codeOf(withBytes(field, bytes, '\ufffd')), 'INVALID_TEXT', 'beside a genuine one')
    }
    assert.equal(await codeOf(withBytes(field, [0xef, 0xbf, 0xbd])), null)
    assert.equal(await codeOf(withBytes(field, [0xef, 0xbf, 0xbd], '\ufffd\ufffd')), null)
  })
}
