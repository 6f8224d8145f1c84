import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SchemaType } from '@kafkajs/confluent-schema-registry'
import type { IHeaders, Message } from 'kafkajs'
import type { RejectCode } from '../../pipeline/errors.ts'
import { createRegistry } from '../../schemas/registry.ts'
import { type Transaction, transactionSchemaText } from '../../schemas/transaction.ts'
import { query, testSettings, until } from '../harness.ts'
import { runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, skippedOffsets, storedRows } from '../support/tables.ts'
import {
  encoder,
  type KafkaSettings,
  readTopic,
  type StoredMessage,
  sendMessages,
  sendTransactions,
  takeAnything,
  withAdmin,
} from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

const MB = 2 ** 20

interface Poison {
  what: string
  code: RejectCode
  value: Buffer | null
  timestamp?: number
}

/** One of each kind of record that cannot be processed. */
async function poisons(t: TestContext, settings: KafkaSettings): Promise<Poison[]> {
  const encode = await encoder(settings)
  const good = encode(transaction()).value
  const withId = (id: number) => {
    const value = Buffer.from(good)
    value.writeUInt32BE(id, 1)
    return value
  }
  const withByte = (at: number, byte: number) => {
    const value = Buffer.from(good)
    value[at < 0 ? good.length + at : at] = byte
    return value
  }
  const { register } = registrations(t, settings)
  const ours = JSON.parse(transactionSchemaText)
  const cents = transactionSchemaText.replace('"scale": 4', '"scale": 2')
  const customer = { type: 'record', name: 'Customer', namespace: 'weir', fields: ours.fields.slice(0, 2) }
  const jsonSchema = JSON.stringify({ type: 'object', properties: { transaction_id: { type: 'string' } } })
  const invalid = (what: string, code: RejectCode, changes: Partial<Transaction>): Poison => ({
    what,
    code,
    value: encode(transaction(changes)).value,
  })
  const broken = encode(transaction({ location: 'LYON' })).value
  broken[broken.indexOf('LYON') + 1] = 0xff
  const year10000 = Date.UTC(12_000, 0, 1)

  return [
    { what: 'no value', code: 'EMPTY_VALUE', value: null },
    { what: 'an empty value', code: 'EMPTY_VALUE', value: Buffer.alloc(0) },
    { what: 'JSON text', code: 'NOT_FRAMED', value: Buffer.from('{"transaction_id":"t-1"}') },
    { what: 'another magic byte', code: 'NOT_FRAMED', value: withByte(0, 1) },
    { what: 'half a frame', code: 'NOT_FRAMED', value: good.subarray(0, 3) },
    ...Array.from({ length: 8 }, (_, i) => ({
      what: `schema id ${2 ** 31 - 1 - i}, which nobody registered`,
      code: 'UNKNOWN_SCHEMA' as const,
      value: withId(2 ** 31 - 1 - i),
    })),
    {
      what: 'another record',
      code: 'INCOMPATIBLE_SCHEMA',
      value: withId(await register(SchemaType.AVRO, JSON.stringify(customer))),
    },
    {
      what: 'amounts of another scale',
      code: 'INCOMPATIBLE_SCHEMA',
      value: withId(await register(SchemaType.AVRO, cents)),
    },
    {
      what: 'a JSON schema',
      code: 'INCOMPATIBLE_SCHEMA',
      value: withId(await register(SchemaType.JSON, jsonSchema)),
    },
    { what: 'a frame and nothing in it', code: 'UNDECODABLE', value: good.subarray(0, 5) },
    { what: 'a truncated value', code: 'UNDECODABLE', value: good.subarray(0, 20) },
    { what: 'a byte missing', code: 'UNDECODABLE', value: good.subarray(0, -1) },
    { what: 'trailing bytes', code: 'UNDECODABLE', value: Buffer.concat([good, Buffer.from([0])]) },
    { what: 'no such channel', code: 'UNDECODABLE', value: withByte(-2, 0x7e) },
    {
      what: '5 MB of rubbish',
      code: 'UNDECODABLE',
      value: Buffer.concat([good.subarray(0, 5), Buffer.alloc(5 * MB, 7)]),
    },
    { what: 'broken UTF-8', code: 'INVALID_TEXT', value: broken },
    invalid('a NUL character', 'INVALID_TEXT', { location: 'Ly\0on' }),
    invalid('a NUL character in an id', 'INVALID_TEXT', { transaction_id: 'a\0b' }),
    invalid('no id', 'INVALID_ID', { transaction_id: '' }),
    invalid('no account', 'INVALID_ID', { account_id: '' }),
    invalid('a long id', 'INVALID_ID', { transaction_id: 'é'.repeat(33) }),
    invalid('a negative amount', 'INVALID_AMOUNT', { amount: -1 }),
    invalid('a huge amount', 'INVALID_AMOUNT', { amount: 10 ** 13 }),
    invalid('the largest amount that can be sent', 'INVALID_AMOUNT', { amount: Number.MAX_SAFE_INTEGER }),
    invalid('no currency', 'INVALID_CURRENCY', { currency: '' }),
    invalid('a long currency', 'INVALID_CURRENCY', { currency: 'EURO' }),
    invalid('the year 9999', 'INVALID_TIMESTAMP', { timestamp: Date.UTC(9999, 0, 1) }),
    invalid('the year 1999', 'INVALID_TIMESTAMP', { timestamp: Date.UTC(2000, 0, 1) - 1 }),
    {
      ...invalid('the year 12000 by its own record, too', 'INVALID_TIMESTAMP', { timestamp: year10000 }),
      timestamp: year10000,
    },
  ]
}

/** Registers schemas under subjects of their own, where no compatibility holds them back. */
function registrations(t: TestContext, settings: KafkaSettings) {
  const registry = createRegistry(settings)
  let count = 0
  return {
    async register(type: SchemaType, schema: string): Promise<number> {
      const subject = `${settings.TRANSACTIONS_TOPIC}-${t.name.length}-${++count}`
      return (await registry.register({ type, schema } as never, { subject })).id
    },
  }
}

/** Puts one poisonous record after every `distance` good ones. */
function mixed(good: Message[], bad: Message[], distance: number): Message[] {
  return good.flatMap((message, i) => {
    const poison = i % distance === distance - 1 ? bad[(i - distance + 1) / distance] : undefined
    return poison === undefined ? [message] : [message, poison]
  })
}

/** A record's headers as text; several values under one name stay several. */
const asText = (headers: IHeaders = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

const place = (record: StoredMessage) => `${record.partition}/${record.offset}`
const origin = (headers: IHeaders) => `${headers['weir-partition']}/${headers['weir-offset']}`

test('each poisonous record is in the dead-letter topic once, as it was received; the good ones are stored', async (t) => {
  const settings = await testSettings(t)
  await takeAnything(settings)
  const encode = await encoder(settings)
  const bad = await poisons(t, settings)
  const good = [
    ...simulated(3000, 21),
    transaction({ transaction_id: 'large but good', location: 'L'.repeat(2 * MB) }),
  ]
  const poisonMessages = bad.map((poison, i) => ({
    key: i % 5 === 0 ? null : `account-${i}`,
    value: poison.value,
    timestamp: poison.timestamp === undefined ? undefined : String(poison.timestamp),
    headers: { number: String(i), twice: ['a', 'b'], bytes: Buffer.from([0xff, 0]) },
  }))
  await sendMessages(settings, mixed(good.map(encode), poisonMessages, 80))
  const began = performance.now()
  await runToEnd(settings)
  const seconds = (performance.now() - began) / 1000
  // Three tries in five seconds for an unknown schema, for all of them together.
  assert.ok(seconds < 15, `took ${seconds} s`)

  const received = await readTopic(settings, settings.TRANSACTIONS_TOPIC)
  const poisonous = received.filter((record) => record.headers?.number !== undefined)
  assert.equal(poisonous.length, bad.length)
  const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.deepEqual(
    letters.map((letter) => origin(letter.headers!)).sort(),
    poisonous.map(place).sort(),
    'each once',
  )
  const letterOf = new Map(letters.map((letter) => [origin(letter.headers!), letter]))
  for (const record of poisonous) {
    const { what, code } = bad[Number(record.headers!.number)]
    const letter = letterOf.get(place(record))!
    assert.deepEqual(letter.key, record.key, what)
    assert.deepEqual(letter.value, record.value, what)
    const { 'weir-message': message, ...headers } = asText(letter.headers)
    assert.ok(message.length > 0, what)
    assert.deepEqual(
      headers,
      {
        ...asText(record.headers),
        'weir-topic': settings.TRANSACTIONS_TOPIC,
        'weir-partition': String(record.partition),
        'weir-offset': record.offset,
        'weir-timestamp': record.timestamp,
        'weir-code': code,
      },
      what,
    )
    assert.deepEqual(letter.headers!.bytes, record.headers!.bytes, what)
  }

  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), good.map((tx) => tx.transaction_id).sort())
  assert.deepEqual(
    await skippedOffsets(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC),
    poisonous.map((record) => `${place(record)} ${bad[Number(record.headers!.number)].code}`),
  )
})

test('a location of megabytes is stored, and does not keep the state from being saved', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1', CHECKPOINT_SECONDS: '1' })
  await takeAnything(settings)
  const encode = await encoder(settings)
  const sent = [
    ...simulated(200, 24),
    ...Array.from({ length: 8 }, () => transaction({ location: 'L'.repeat(2 * MB) })),
  ]
  await sendMessages(settings, sent.map(encode))
  await using pipeline = await runningPipeline(settings)
  await untilProcessed(settings, { pipeline })
  assert.equal((await storedRows(settings.DATABASE_URL)).length, sent.length)
  await until(
    () =>
      query(settings.DATABASE_URL, 'SELECT 1 FROM checkpoints WHERE completed_at IS NOT NULL').then(
        (rows) => rows.length > 0,
      ),
    { what: 'a checkpoint' },
  )
})

test('a dead letter that cannot be sent holds its position back, and nothing is lost once it can', async (t) => {
  const settings = await testSettings(t, { CREATE_TOPICS: 'false', TOPIC_PARTITIONS: '1' })
  const later = { ...settings, DEAD_LETTER_TOPIC: `${settings.DEAD_LETTER_TOPIC}-later` }
  const good = simulated(100, 23)
  const invalid = transaction({ transaction_id: 'invalid', amount: -1 })
  await sendTransactions(settings, [...good.slice(0, 50), invalid, ...good.slice(50)])
  await using pipeline = await runningPipeline(later)
  await sleep(1500)
  const [held] = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.equal(held.next_offset, 0)

  await withAdmin(settings, (admin) => admin.createTopics({ topics: [{ topic: later.DEAD_LETTER_TOPIC }] }))
  await untilProcessed(settings, { pipeline })
  const letters = await readTopic(settings, later.DEAD_LETTER_TOPIC)
  assert.deepEqual(new Set(letters.map((letter) => origin(letter.headers!))), new Set(['0/50']))
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 100)
})

test('a row that breaks a constraint is the only one of its batch that is dead-lettered', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await query(
    settings.DATABASE_URL,
    `ALTER TABLE transactions ADD CONSTRAINT no_casino CHECK (merchant_category <> 'Casino')`,
  )
  const good = simulated(1000, 22)
  const refused = transaction({ transaction_id: 'refused', merchant_category: 'Casino' })
  await using pipeline = await runningPipeline(settings)
  await sendTransactions(settings, good.slice(0, 100))
  await untilProcessed(settings, { pipeline })
  // Duplicates before and after the refused one, of what was stored and of the batch itself: still no bad rows.
  await sendTransactions(settings, [
    good[10],
    ...good.slice(100, 600),
    good[500],
    refused,
    ...good.slice(600),
    good[20],
  ])
  await untilProcessed(settings, { pipeline })

  const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.deepEqual(
    letters.map((letter) => asText(letter.headers)['weir-code']),
    ['CONSTRAINT'],
  )
  assert.match(asText(letters[0].headers)['weir-message'], /no_casino/)
  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), good.map((tx) => tx.transaction_id).sort())
  assert.deepEqual(await skippedOffsets(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC), [
    '0/100 DUPLICATE',
    '0/601 DUPLICATE',
    '0/602 CONSTRAINT',
    '0/1003 DUPLICATE',
  ])
  const connections = await query<{ count: number }>(
    settings.DATABASE_URL,
    `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'weir-pipeline-%' AND datname = current_database()`,
  )
  assert.ok(connections[0].count <= settings.LANES, `${connections[0].count} connections`)
})
