import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { record, transaction } from '../support/transactions.ts'
import {
  codeOf,
  decodeAll,
  decodeOne,
  encoded,
  OUR_ID,
  registryOf,
  withExtraField,
  withFieldType,
  writersOf,
} from '../support/writers.ts'

const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

test('a transaction of our own schema is decoded whole', async () => {
  const full = transaction({ is_fraud: true, merchant_id: null, location: 'Aix-en-Provence' })
  assert.deepEqual(plain(await decodeOne(frame(OUR_ID, transactionType, full))), plain(full))
})

test('records and rejects keep their order and their records', async () => {
  const records = [encoded(), null, encoded({ amount: 1 }), Buffer.from('{}'), encoded()].map(
    (value, offset) => record(value, { offset }),
  )
  const { transactions, recordOf, rejects } = await decodeAll(records)
  assert.equal(transactions[1].amount, 1)
  assert.deepEqual(recordOf, [0, 2, 4])
  assert.deepEqual(
    rejects.map((r) => [r.record, r.code]),
    [
      [records[1], 'EMPTY_VALUE'],
      [records[3], 'NOT_FRAMED'],
    ],
  )
})

const framing: [string, Buffer | null, string][] = [
  ['no value', null, 'EMPTY_VALUE'],
  ['an empty value', Buffer.alloc(0), 'EMPTY_VALUE'],
  ['four bytes', Buffer.alloc(4), 'NOT_FRAMED'],
  ['JSON', Buffer.from('{"amount":1}'), 'NOT_FRAMED'],
  ['another first byte', Buffer.concat([Buffer.of(1), encoded().subarray(1)]), 'NOT_FRAMED'],
  ['a frame and nothing else', encoded().subarray(0, 5), 'UNDECODABLE'],
  ['one byte too many', Buffer.concat([encoded(), Buffer.of(0)]), 'UNDECODABLE'],
  ['two transactions in one value', Buffer.concat([encoded(), encoded().subarray(5)]), 'UNDECODABLE'],
]
for (const [what, value, code] of framing) {
  test(`${what} is ${code}`, async () => assert.equal(await codeOf(value), code))
}

test('a record cut off at any byte is UNDECODABLE, whichever schema wrote it', async () => {
  const ours = encoded({ is_fraud: false })
  for (let end = 5; end < ours.length; end++)
    assert.equal(await codeOf(ours.subarray(0, end)), 'UNDECODABLE', `${end}`)
  const type = withExtraField({ type: 'array', items: 'string' })
  const newer = frame(2, type, { ...transaction(), extra: ['a', 'bc'] })
  const writers = writersOf(registryOf({ 2: type }))
  assert.equal(await codeOf(newer, writers), null)
  for (let end = 5; end < newer.length; end++)
    assert.equal(await codeOf(newer.subarray(0, end), writers), 'UNDECODABLE', `${end}`)
})

test('an amount without bytes, a branch or a symbol that is not there, and an endless number are UNDECODABLE', async () => {
  const value = encoded({ amount: 0, merchant_id: null, channel: 'OTHER', is_fraud: null })
  const amountAt = value.indexOf(Buffer.concat([Buffer.of(2, 0), Buffer.from([6]), Buffer.from('EUR')]))
  const shorter = Buffer.concat([value.subarray(0, amountAt), Buffer.of(0), value.subarray(amountAt + 2)])
  assert.equal(await codeOf(shorter), 'UNDECODABLE')
  const last = (byte: number, back: number) => {
    const changed = Buffer.from(value)
    changed[changed.length - back] = byte
    return changed
  }
  assert.equal(await codeOf(last(0, 1)), null)
  assert.equal(await codeOf(last(4, 1)), 'UNDECODABLE', 'a third branch')
  assert.equal(await codeOf(last(10, 2)), 'UNDECODABLE', 'a sixth symbol')
  const endless = Buffer.concat([value.subarray(0, 5), Buffer.alloc(1_000_000, 0xff)])
  assert.equal(await codeOf(endless), 'UNDECODABLE')
})

test('what is decoded and not valid has the code of its fault', async () => {
  assert.equal(await codeOf(encoded({ account_id: '' })), 'INVALID_ID')
  assert.equal(await codeOf(encoded({ amount: -1 })), 'INVALID_AMOUNT')
  assert.equal(await codeOf(encoded({ amount: 10 ** 13 })), 'INVALID_AMOUNT')
  assert.equal(await codeOf(encoded({ currency: 'EURO' })), 'INVALID_CURRENCY')
  assert.equal(await codeOf(encoded({ timestamp: 0 })), 'INVALID_TIMESTAMP')
  assert.equal(await codeOf(encoded({ location: '\0' })), 'INVALID_TEXT')
})

test('an amount of eight and of a hundred bytes is read for what it is', async () => {
  const raw = withFieldType('amount', 'bytes')
  const withBytes = (bytes: Buffer) => frame(OUR_ID, raw, { ...transaction(), amount: bytes })
  assert.equal(await codeOf(withBytes(Buffer.from('7fffffffffffffff', 'hex'))), 'INVALID_AMOUNT')
  assert.equal(await codeOf(withBytes(Buffer.from('8000000000000000', 'hex'))), 'INVALID_AMOUNT')
  assert.equal(await codeOf(withBytes(Buffer.alloc(100, 0x7f))), 'INVALID_AMOUNT')
  const padded = await decodeOne(withBytes(Buffer.from(`${'00'.repeat(97)}01e208`, 'hex')))
  assert.equal('amount' in padded && padded.amount, 12_3400)
})

test('whatever the bytes, each record ends up decoded or rejected, and soon', async () => {
  const newer = withExtraField({ type: 'array', items: ['null', { type: 'map', values: 'bytes' }] })
  const writers = writersOf(registryOf({ 2: newer }))
  const valid = [encoded(), frame(2, newer, { ...transaction(), extra: [null, { k: Buffer.of(1) }] })]
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
    .map(([value, changes, cut]) => {
      const changed = Buffer.from(value)
      for (const [at, byte] of changes) changed[5 + (at % (changed.length - 5))] = byte
      return cut % 3 === 0 ? changed.subarray(0, cut % changed.length) : changed
    })
  const random = fc
    .tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 60 }))
    .map(([id, bytes]) => Buffer.concat([Buffer.of(0, 0, 0, 0, id), bytes]))
  const values = fc.array(fc.oneof(mutated, random, fc.uint8Array({ maxLength: 10 }).map(Buffer.from)))
  const began = performance.now()
  await fc.assert(
    fc.asyncProperty(values, async (some) => {
      const known = some.map((value) =>
        value[0] === 0 && value.length >= 5 && value[4] > 2 ? encoded() : value,
      )
      const { transactions, rejects } = await decodeAll(
        known.map((value, offset) => record(value, { offset })),
        writers,
      )
      assert.equal(transactions.length + rejects.length, known.length)
    }),
    { numRuns: 500 },
  )
  assert.ok(performance.now() - began < 10_000)
})
