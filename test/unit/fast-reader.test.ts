import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readPlain } from '../../pipeline/decode/fast-reader.ts'
import { CHANNELS, type Transaction, transactionType } from '../../schemas/transaction.ts'
import { FRAME_BYTES, frame } from '../../schemas/wire.ts'

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('EUR', 'Helsinki', 'Grocery', ''),
  fc.string({ minLength: 60, maxLength: 200 }),
)
const transaction: fc.Arbitrary<Transaction> = fc.record({
  transaction_id: text,
  account_id: text,
  timestamp: fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: -(2 ** 52), max: 2 ** 52 })),
  amount: fc.oneof(
    fc.nat(),
    fc.integer({ min: -1e15, max: 1e15 }),
    fc.constantFrom(0, 127, 128, 32767, 32768),
  ),
  currency: text,
  merchant_id: fc.option(text),
  merchant_category: text,
  location: text,
  channel: fc.constantFrom(...CHANNELS),
  is_fraud: fc.option(fc.boolean()),
})

/** What avsc, whose word holds, makes of the value; null where it refuses it. */
function byAvsc(value: Buffer): Transaction | null {
  try {
    const { value: tx, offset } = transactionType.decode(value, FRAME_BYTES)
    return offset === value.length ? { ...(tx as Transaction) } : null
  } catch {
    return null
  }
}

test('what is read is what avsc reads; ordinary values are read', () => {
  fc.assert(
    fc.property(transaction, (tx) => {
      const value = frame(1, transactionType, tx)
      const plain = readPlain(value)
      if (plain !== null) assert.deepEqual(plain, byAvsc(value))
    }),
    { numRuns: 2000 },
  )
  const usual = { ...fc.sample(transaction, 1)[0], transaction_id: 'tx-1', account_id: 'a', amount: 123_400 }
  const value = frame(1, transactionType, { ...usual, timestamp: 1_790_000_000_000 })
  assert.notEqual(readPlain(value), null)
})

test('a value that was damaged anywhere is left to avsc, or read as avsc reads it', () => {
  fc.assert(
    fc.property(
      transaction,
      fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { maxLength: 4 }),
      fc.nat({ max: 40 }),
      fc.uint8Array({ maxLength: 4 }),
      (tx, changes, cut, more) => {
        const whole = frame(1, transactionType, tx)
        const value = Buffer.concat([whole.subarray(0, Math.max(FRAME_BYTES, whole.length - cut)), more])
        for (const { at, byte } of changes) {
          if (value.length > FRAME_BYTES) value[FRAME_BYTES + (at % (value.length - FRAME_BYTES))] = byte
        }
        const plain = readPlain(value)
        if (plain !== null) assert.deepEqual(plain, byAvsc(value))
      },
    ),
    { numRuns: 5000 },
  )
})
