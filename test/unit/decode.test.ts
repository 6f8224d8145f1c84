import assert from 'node:assert/strict'
import { test } from 'node:test'
import avro from 'avsc'
import fc from 'fast-check'
import { CHANNELS, transactionType } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { record, transaction } from '../support/transactions.ts'
import {
  codeOf,
  decodeAll,
  decodeFrom,
  decodeOne,
  encoded,
  OUR_ID,
  registryOf,
  withExtraField,
  withFieldType,
  writersOf,
  writerType,
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

const OPTIONAL = ['currency', 'merchant_id', 'merchant_category', 'location', 'channel', 'is_fraud']

test('a writer older than the optional fields gets their defaults', async () => {
  const older = writerType((schema) => {
    schema.fields = schema.fields.filter((field) => !OPTIONAL.includes(field.name))
  })
  const sent = transaction()
  assert.deepEqual(plain(await decodeFrom(older, sent)), {
    ...plain(sent),
    currency: 'EUR',
    merchant_id: null,
    merchant_category: '',
    location: '',
    channel: 'OTHER',
    is_fraud: null,
  })
})

test("a newer writer's further fields are left out, and its further channel is OTHER", async () => {
  const sent = transaction({ is_fraud: false })
  const extras: [unknown, unknown][] = [
    ['string', 'x'],
    [{ type: 'array', items: { type: 'map', values: 'long' } }, [{ a: 1, b: 2 }, {}]],
    [
      { type: 'record', name: 'Device', fields: [{ name: 'ids', type: { type: 'array', items: 'int' } }] },
      { ids: [7] },
    ],
    [['null', { type: 'array', items: 'double' }], [1.5]],
  ]
  for (const [type, value] of extras) {
    assert.deepEqual(plain(await decodeFrom(withExtraField(type), { ...sent, extra: value })), plain(sent))
  }
  const crypto = withFieldType('channel', { type: 'enum', name: 'Channel', symbols: [...CHANNELS, 'CRYPTO'] })
  const decoded = await decodeFrom(crypto, { ...sent, channel: 'CRYPTO' })
  assert.equal('channel' in decoded && decoded.channel, 'OTHER')
})

test('another order of fields, a longer decimal and a fixed one of our scale are read', async () => {
  const sent = transaction({ amount: 12_3400 })
  const turned = writerType((schema) => void schema.fields.reverse())
  assert.deepEqual(plain(await decodeFrom(turned, sent)), plain(sent))
  const longer = withFieldType('amount', { type: 'bytes', logicalType: 'decimal', precision: 30, scale: 4 })
  assert.deepEqual(plain(await decodeFrom(longer, sent)), plain(sent))
  const fixed = { type: 'fixed', name: 'Amount', size: 8 }
  const written = frame(2, withFieldType('amount', fixed), {
    ...sent,
    amount: Buffer.from('000000000001e208', 'hex'),
  })
  const type = withFieldType('amount', { ...fixed, logicalType: 'decimal', precision: 18, scale: 4 })
  assert.deepEqual(
    plain(await decodeOne(written, { writers: writersOf(registryOf({ 2: type })) })),
    plain(sent),
  )
})

const incompatible: [string, unknown][] = [
  [
    'a decimal of scale 2',
    withFieldType('amount', { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 }),
  ],
  [
    'a decimal without a scale',
    withFieldType('amount', { type: 'bytes', logicalType: 'decimal', precision: 18 }),
  ],
  ['an amount of plain bytes', withFieldType('amount', 'bytes')],
  ['an amount of doubles', withFieldType('amount', 'double')],
  ['a timestamp as text', withFieldType('timestamp', 'string')],
  ['an account_id that may be null', withFieldType('account_id', ['null', 'string'])],
  ['no transaction_id', writerType((schema) => void schema.fields.shift())],
  ['another record', writerType((schema) => void Object.assign(schema, { name: 'Payment' }))],
  ['a schema that is no record', avro.Type.forSchema('string')],
  ['a JSON schema', { jsonSchema: true }],
]
for (const [what, type] of incompatible) {
  test(`${what} is INCOMPATIBLE_SCHEMA`, async () => {
    const value = encoded()
    value.writeUInt32BE(2, 1)
    assert.equal(await codeOf(value, writersOf(registryOf({ 2: type }))), 'INCOMPATIBLE_SCHEMA')
  })
}

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
