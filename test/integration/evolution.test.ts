import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import { createRegistry, subjectOf } from '../../schemas/registry.ts'
import {
  avroOptions,
  formatAmount,
  type Transaction,
  transactionSchemaText,
} from '../../schemas/transaction.ts'
import { frame } from '../../schemas/wire.ts'
import { urlProxy } from '../faults/proxy.ts'
import { testSettings, until } from '../harness.ts'
import { runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, storedRows } from '../support/tables.ts'
import { encoder, endOffsets, type KafkaSettings, sendMessages } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

interface AvroField {
  name: string
  type: unknown
  default?: unknown
}
interface AvroRecord {
  fields: AvroField[]
}

const ours = JSON.parse(transactionSchemaText) as AvroRecord
const required = ['transaction_id', 'account_id', 'timestamp', 'amount']

/** As the first version might have been: without any optional field, in another order. */
const older: AvroRecord = {
  ...ours,
  fields: ours.fields.filter((field) => required.includes(field.name)).toReversed(),
}

/** As a later version might be: a channel more, lists and maps, and one field less. */
const newer: AvroRecord = {
  ...ours,
  fields: [
    { name: 'tags', type: { type: 'array', items: 'string' }, default: [] },
    ...ours.fields.filter((field) => field.name !== 'location').map(withMoreChannels),
    { name: 'extra', type: { type: 'map', values: ['null', 'double', 'string'] }, default: {} },
    { name: 'device', type: ['null', 'string'], default: null },
  ],
}

function withMoreChannels(field: AvroField): AvroField {
  if (field.name !== 'channel') return field
  const type = field.type as { symbols: string[] }
  return { ...field, type: { ...type, symbols: ['WALLET', ...type.symbols] } }
}

/** Registers the schema as the subject's next version, which must be BACKWARD compatible. */
async function writerOf(settings: KafkaSettings, schema: AvroRecord): Promise<(value: object) => Buffer> {
  const { id } = await createRegistry(settings).register(
    { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
    { subject: subjectOf(settings.TRANSACTIONS_TOPIC), compatibility: COMPATIBILITY.BACKWARD },
  )
  const type = avro.Type.forSchema(schema as avro.Schema, avroOptions())
  return (value) => frame(id, type, value)
}

test('records of older and newer writers are read to the right values, mixed with ours', async (t) => {
  const settings = await testSettings(t)
  const writeOlder = await writerOf(settings, older)
  const writeOurs = await encoder(settings)
  const writeNewer = await writerOf(settings, newer)

  const messages: { key: string; value: Buffer }[] = []
  const expected = new Map<string, Transaction>()
  for (let i = 0; i < 300; i++) {
    const tx = transaction({
      transaction_id: `tx-${i}`,
      account_id: `account-${i % 7}`,
      amount: 10_001 * i,
      merchant_category: 'Fuel',
      channel: 'ATM',
      is_fraud: i % 2 === 0,
    })
    const key = tx.account_id
    if (i % 3 === 0) {
      const { transaction_id, account_id, timestamp, amount } = tx
      messages.push({ key, value: writeOlder({ transaction_id, account_id, timestamp, amount }) })
      const defaults = {
        currency: 'EUR',
        merchant_id: null,
        merchant_category: '',
        location: '',
        is_fraud: null,
      }
      expected.set(tx.transaction_id, { ...tx, ...defaults, channel: 'OTHER' })
    } else if (i % 3 === 1) {
      messages.push({ key, value: writeOurs(tx).value })
      expected.set(tx.transaction_id, tx)
    } else {
      const isWallet = i % 2 === 0
      const more = { tags: ['a', 'ü'], extra: { score: 0.5, from: 'app', none: null }, device: 'd-1' }
      messages.push({ key, value: writeNewer({ ...tx, ...more, channel: isWallet ? 'WALLET' : 'ATM' }) })
      expected.set(tx.transaction_id, { ...tx, location: '', channel: isWallet ? 'OTHER' : 'ATM' })
    }
  }
  await sendMessages(settings, messages)
  await runToEnd(settings)

  const rows = await storedRows(settings.DATABASE_URL)
  assert.equal(rows.length, 300)
  for (const row of rows) {
    const { timestamp, amount, ...texts } = expected.get(row.transaction_id)!
    assert.deepEqual(
      {
        transaction_id: row.transaction_id,
        account_id: row.account_id,
        currency: row.currency,
        merchant_id: row.merchant_id,
        merchant_category: row.merchant_category,
        location: row.location,
        channel: row.channel,
        is_fraud: row.is_fraud,
      },
      texts,
    )
    assert.equal(row.ms, timestamp)
    assert.equal(row.amount, formatAmount(amount))
  }
})

test('while the registry is away only the partition with a schema that is not known waits', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3' })
  const writeOurs = await encoder(settings)
  const writeNewer = await writerOf(settings, newer)
  const registry = await urlProxy(t, settings.SCHEMA_REGISTRY_URL)
  await using pipeline = await runningPipeline({ ...settings, SCHEMA_REGISTRY_URL: registry.url })
  const first = simulated(300, 31)
  await sendMessages(settings, first.map(writeOurs))
  await untilProcessed(settings, { pipeline })
  registry.refuse(true)

  const before = await endOffsets(settings)
  const tx = transaction({ transaction_id: 'newer', account_id: 'a-1' })
  await sendMessages(settings, [
    { key: 'a-1', value: writeNewer({ ...tx, tags: [], extra: {}, device: null }) },
  ])
  const waiting = (await endOffsets(settings)).findIndex((end, partition) => end > before[partition])
  const others = simulated(600, 32)
  for (const some of [others.slice(0, 300), others.slice(300)]) {
    await sendMessages(settings, some.map(writeOurs))
    const ends = await endOffsets(settings)
    let reached: number[] = []
    await until(
      async () => {
        reached = (await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)).map(
          (p) => p.next_offset,
        )
        return reached.every((offset, partition) => partition === waiting || offset === ends[partition])
      },
      { what: 'the other partitions' },
    )
    assert.equal(reached[waiting], before[waiting])
  }
  assert.equal((await fetch(`${pipeline.healthUrl}/health/ready`)).status, 503)

  registry.refuse(false)
  await untilProcessed(settings, { pipeline })
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 901)
  assert.equal((await fetch(`${pipeline.healthUrl}/health/ready`)).status, 200)
})
