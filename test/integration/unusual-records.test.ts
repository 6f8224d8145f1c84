import assert from 'node:assert/strict'
import { test } from 'node:test'
import kafkajs from 'kafkajs'
import { createKafka } from '../../schemas/kafka.ts'
import { query, testSettings } from '../harness.ts'
import { runToEnd } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { encoder, quiet, readTopic, sendMessages, sendTransactions } from '../support/topics.ts'
import { DAY, NOON, transaction } from '../support/transactions.ts'

const ONE = { TOPIC_PARTITIONS: '1' }

test('a bad record that is far larger than the dead-letter topic takes holds nothing up, and leaves a trace', async (t) => {
  const settings = await testSettings(t, ONE)
  const producer = createKafka(settings, 'weir-test', quiet).producer()
  await producer.connect()
  const send = (value: Buffer) =>
    producer.send({
      topic: settings.TRANSACTIONS_TOPIC,
      messages: [{ key: 'a', value }],
      compression: kafkajs.CompressionTypes.GZIP,
    })
  await send(Buffer.alloc(14 * 2 ** 20, 'a'))
  await producer.disconnect()
  await sendTransactions(settings, simulated(100, 72))
  await runToEnd(settings)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 100)
  // Compressed it was small enough for one topic, and is for the other.
  const [letter] = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.equal(letter.value!.length, 14 * 2 ** 20)
  assert.equal(letter.headers!['weir-code']!.toString(), 'NOT_FRAMED')
})

test('a late record of a month that was taken out of the table is dead-lettered, and those behind it are stored', async (t) => {
  const settings = await testSettings(t, ONE)
  const encode = await encoder(settings)
  const sentAt = { timestamp: String(NOON) }
  const old = NOON - 150 * DAY
  await sendMessages(settings, [{ ...encode(transaction({ timestamp: old })), ...sentAt }])
  await runToEnd(settings)
  const month = new Date(old).toISOString().slice(0, 7).replace('-', '_')
  await query(settings.DATABASE_URL, `ALTER TABLE transactions DETACH PARTITION transactions_${month}`)
  const late = { ...encode(transaction({ timestamp: old + 1 })), ...sentAt }
  await sendMessages(settings, [late, encode(transaction({ account_id: 'other' }))])
  await runToEnd(settings)
  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(
    rows.map((row) => row.kafka_offset),
    [2],
  )
  const [letter] = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.equal(letter.headers!['weir-code']!.toString(), 'CONSTRAINT')
  assert.match(
    letter.headers!['weir-message']!.toString(),
    /transactions_\d{4}_\d\d is there, but no partition/,
  )
})
