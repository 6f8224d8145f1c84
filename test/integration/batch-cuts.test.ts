import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import { createKafka } from '../../schemas/kafka.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { testSettings } from '../harness.ts'
import { anotherRun, runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { ALL_FEATURES, differingDecisions, positions, storedRows } from '../support/tables.ts'
import { encoder, quiet, sendTransactions } from '../support/topics.ts'
import { HOUR, transaction } from '../support/transactions.ts'

/** Out of order by hours, and by days; sent twice; not valid. */
const disturbed = (transactions: Transaction[]): Transaction[] =>
  transactions.flatMap((tx, i) => {
    const invalid = transaction({ transaction_id: `invalid-${i}`, account_id: tx.account_id, currency: '' })
    const hoursBack = i % 37 === 0 ? 25 + (i % 50) : i % 5 === 0 ? i % 24 : 0
    return [
      { ...tx, timestamp: tx.timestamp - hoursBack * HOUR },
      ...(i % 53 === 0 ? [invalid] : []),
      ...(i % 41 === 0 && i % 5 !== 0 && i % 37 !== 0 ? [tx] : []),
    ]
  })

test('the decisions are the same however the records are cut into batches and spread over lanes', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3', ...ALL_FEATURES })
  const sent = disturbed(simulated(1500, 41, 15))
  {
    // The run that the others are compared with gets its records in small pieces, while it runs.
    await using pipeline = await runningPipeline(settings)
    for (let i = 0; i < sent.length; i += 100) await sendTransactions(settings, sent.slice(i, i + 100))
    await untilProcessed(settings, { pipeline })
  }
  const rows = await storedRows(settings.DATABASE_URL)
  assert.equal(rows.length, 1500)
  assert.ok(rows.some((row) => row.features!.late === 1))
  const expected = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)

  const cut = fc.record({
    BATCH_MAX_RECORDS: fc.integer({ min: 1, max: 700 }),
    COMMIT_MAX_RECORDS: fc.integer({ min: 1, max: 700 }),
    LANES: fc.integer({ min: 1, max: 4 }),
    QUEUE_BATCHES: fc.integer({ min: 1, max: 5 }),
  })
  const property = fc.asyncProperty(cut, async (given) => {
    const run = await anotherRun(t, settings, given)
    await runToEnd(run)
    assert.deepEqual(await differingDecisions(settings.DATABASE_URL, run.DATABASE_URL), [])
    assert.deepEqual(await positions(run.DATABASE_URL, settings.TRANSACTIONS_TOPIC), expected)
  })
  await fc.assert(property, {
    numRuns: 6,
    endOnFailure: true,
    examples: [
      [{ BATCH_MAX_RECORDS: 1, COMMIT_MAX_RECORDS: 1, LANES: 3, QUEUE_BATCHES: 2 }],
      [{ BATCH_MAX_RECORDS: 2, COMMIT_MAX_RECORDS: 100, LANES: 1, QUEUE_BATCHES: 5 }],
      [{ BATCH_MAX_RECORDS: 10_000, COMMIT_MAX_RECORDS: 10_000, LANES: 4, QUEUE_BATCHES: 1 }],
    ],
  })
})

test('offsets that no consumer sees, of markers and aborted records, are passed over in any cut', async (t) => {
  const settings = await testSettings(t)
  const encode = await encoder(settings)
  const sent = simulated(300, 42)
  const committed = sent.filter((_, i) => ![1, 2, 6, 9, 14].includes(Math.floor(i / 20)))
  const producer = createKafka(settings, 'weir-test', quiet).producer({
    transactionalId: settings.TRANSACTIONS_TOPIC,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  try {
    await using pipeline = await runningPipeline(settings)
    for (let i = 0; i < sent.length; i += 20) {
      const part = sent.slice(i, i + 20)
      const unit = await producer.transaction()
      await unit.send({ topic: settings.TRANSACTIONS_TOPIC, messages: part.map(encode) })
      await (committed.includes(part[0]) ? unit.commit() : unit.abort())
      // Some of the aborted ones are all that a fetch brings.
      if (i >= 160) await untilProcessed(settings, { pipeline })
    }
  } finally {
    await producer.disconnect()
  }

  const runs = [settings]
  for (const BATCH_MAX_RECORDS of [10_000, 1, 7]) {
    const run = await anotherRun(t, settings, { BATCH_MAX_RECORDS })
    await runToEnd(run)
    runs.push(run)
  }
  for (const { DATABASE_URL } of runs) {
    const stored = (await storedRows(DATABASE_URL)).map((row) => row.transaction_id)
    assert.deepEqual(stored.sort(), committed.map((tx) => tx.transaction_id).sort())
    assert.deepEqual(await differingDecisions(DATABASE_URL, settings.DATABASE_URL), [])
  }
})
