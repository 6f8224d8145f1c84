import assert from 'node:assert/strict'
import { test } from 'node:test'
import type avro from 'avsc'
import fc from 'fast-check'
import { formatAmount, transactionSchemaText, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { transaction } from '../support/transactions.ts'

const amountType = (transactionType as avro.types.RecordType).field('amount')!.type
/** The decimal's bytes, without Avro's length before them. */
const bytesOf = (units: number): Buffer => amountType.toBuffer(units).subarray(1)
const unitsOf = (bytes: Buffer): number =>
  amountType.fromBuffer(Buffer.concat([Buffer.of(bytes.length * 2), bytes]))

/** The shortest big-endian two's complement, as java.math.BigInteger.toByteArray and fastavro make it. */
function minimalBytes(units: bigint): Buffer {
  let length = 1
  while (BigInt.asIntN(8 * length, units) !== units) length++
  const hex = BigInt.asUintN(8 * length, units)
    .toString(16)
    .padStart(2 * length, '0')
  return Buffer.from(hex, 'hex')
}

const boundaries = Array.from({ length: 6 }, (_, i) => 2 ** (8 * (i + 1) - 1)).flatMap((edge) =>
  [edge - 1, edge, edge + 1].flatMap((units) => [units, -units]),
)

test('an amount is written as the minimal two’s complement and read back exactly, over the whole safe range', () => {
  const check = (units: number) => {
    assert.deepEqual(bytesOf(units), minimalBytes(BigInt(units)), String(units))
    assert.equal(unitsOf(bytesOf(units)), units)
  }
  for (const units of [0, ...boundaries, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) check(units)
  const safe = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }
  fc.assert(fc.property(fc.oneof(fc.integer(safe), fc.integer({ min: -70_000, max: 70_000 })), check), {
    numRuns: 2000,
  })
})

test('known amounts have the bytes that Java writes', () => {
  const known: [number, string][] = [
    [0, '00'],
    [127, '7f'],
    [128, '0080'],
    [-1, 'ff'],
    [-128, '80'],
    [-129, 'ff7f'],
    [12_3400, '01e208'],
    [9_999_999_999_999, '09184e729fff'],
    [10_000_000_000_000, '09184e72a000'],
    [-(2 ** 48), 'ff000000000000'],
  ]
  for (const [units, hex] of known) assert.equal(bytesOf(units).toString('hex'), hex)
})

test('bytes longer than needed are read as the number they are', () => {
  assert.equal(unitsOf(Buffer.from('000000000000000000000001e208', 'hex')), 12_3400)
  assert.equal(unitsOf(Buffer.from('ffffffffffffffffffff', 'hex')), -1)
  assert.equal(unitsOf(Buffer.from('7fffffffffffffff', 'hex')), 2 ** 63)
  assert.equal(unitsOf(Buffer.from('80000000000000', 'hex')), -(2 ** 55))
})

test('a fraction of a unit, or more than a double holds exactly, is not written', () => {
  for (const units of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    assert.throws(() => amountType.toBuffer(units), /not an integer of 1\/10,000/)
  }
})

test('an amount is printed as PostgreSQL prints numeric(18,4)', () => {
  const known: [number, string][] = [
    [0, '0.0000'],
    [1, '0.0001'],
    [-1, '-0.0001'],
    [9999, '0.9999'],
    [10_000, '1.0000'],
    [-12_3400, '-12.3400'],
    [9_999_999_999_999, '999999999.9999'],
  ]
  for (const [units, text] of known) assert.equal(formatAmount(units), text)
})

test('a transaction comes back from Avro as it went in', () => {
  const full = transaction({ merchant_id: null, is_fraud: true, channel: 'ATM', location: 'Zürich 🏔' })
  const plain = (value: object) => JSON.parse(JSON.stringify(value))
  assert.deepEqual(plain(transactionType.fromBuffer(transactionType.toBuffer(full))), plain(full))
})

test("an amount's schema is the decimal that the documents promise", () => {
  const { fields } = JSON.parse(transactionSchemaText)
  const { type } = fields.find((field: { name: string }) => field.name === 'amount')
  assert.deepEqual(type, { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 4 })
})

test("a framed value is a zero byte, the id and Avro's bytes, short or long", () => {
  for (const length of [0, 200, 250, 5000]) {
    const tx = transaction({ location: 'x'.repeat(length) })
    const value = frame(0xfedcba98, transactionType, tx)
    assert.equal(value.subarray(0, 5).toString('hex'), '00fedcba98')
    assert.deepEqual(value.subarray(5), transactionType.toBuffer(tx))
  }
})
