import assert from 'node:assert/strict'
import { test } from 'node:test'
import avro from 'avsc'
import { CHANNELS } from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { transaction } from '../support/transactions.ts'
import {
  codeOf,
  decodeFrom,
  decodeOne,
  encoded,
  registryOf,
  withExtraField,
  withFieldType,
  writersOf,
  writerType,
} from '../support/writers.ts'

const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

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
