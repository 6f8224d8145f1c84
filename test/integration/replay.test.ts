import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transaction } from '../../schemas/transaction.ts'
import { query, testSettings } from '../harness.ts'
import {
  anotherRun,
  forgetPositions,
  runningPipeline,
  runToEnd,
  untilCheckpointed,
  untilProcessed,
} from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { differingStates, stateDigests } from '../support/state-digest.ts'
import { ALL_FEATURES, differingDecisions, positions, skippedOffsets, storedRows } from '../support/tables.ts'
import { encoder, readTopic, sendMessages, sendTransactions, takeAnything } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

const ids = (rows: { transaction_id: string }[]) => rows.map((row) => row.transaction_id).sort()

const total = async (url: string, topic: string, name: 'stored' | 'duplicates' | 'dead_letters') =>
  (await positions(url, topic)).reduce((sum, position) => sum + position[name], 0)

/** A topic of its own with these transactions, processed in large batches: what the decisions ought to be. */
async function decidedWithoutDuplicates(
  t: Parameters<typeof testSettings>[0],
  transactions: Transaction[],
): Promise<string> {
  const settings = await testSettings(t, ALL_FEATURES)
  await sendTransactions(settings, transactions)
  await runToEnd(settings)
  return settings.DATABASE_URL
}

test('the same transactions sent again are stored once, counted, and leave no trace in later decisions', async (t) => {
  const settings = await testSettings(t, { BATCH_MAX_RECORDS: '500', ...ALL_FEATURES })
  const { DATABASE_URL, TRANSACTIONS_TOPIC } = settings
  const sent = simulated(3000, 31)
  const [early, late] = [sent.slice(0, 2000), sent.slice(2000)]
  await sendTransactions(settings, early)
  await runToEnd(settings)
  await query(DATABASE_URL, `UPDATE transactions SET status = 'FRAUD' WHERE is_anomaly`)
  await sendTransactions(settings, early)
  await runToEnd(settings)

  assert.deepEqual(ids(await storedRows(DATABASE_URL)), ids(early))
  assert.equal(await total(DATABASE_URL, TRANSACTIONS_TOPIC, 'duplicates'), early.length)
  const statuses = (await storedRows(DATABASE_URL)).filter((row) => row.is_anomaly).map((row) => row.status)
  assert.ok(statuses.length > 0)
  assert.deepEqual(
    statuses.filter((status) => status !== 'FRAUD'),
    [],
    "an analyst's status is kept",
  )
  await sendTransactions(settings, late)
  await runToEnd(settings)
  assert.deepEqual(ids(await storedRows(DATABASE_URL)), ids(sent))
  assert.deepEqual(await readTopic(settings, settings.DEAD_LETTER_TOPIC), [])
  const quiet = await decidedWithoutDuplicates(t, sent)
  assert.deepEqual(await differingDecisions(DATABASE_URL, quiet, 'identity'), [])
})

/** What analysts decided, by transaction. */
const statuses = async (url: string) =>
  new Map((await storedRows(url)).map((row) => [row.transaction_id, row.status]))

/** Checkpoints soon: they hold what a process has in memory. */
const WATCHED = { BATCH_MAX_RECORDS: '300', CHECKPOINT_SECONDS: '1', ...ALL_FEATURES }

test('a topic that is read again from its beginning stores nothing twice and changes no status and no state', async (t) => {
  const settings = await testSettings(t, WATCHED)
  const { DATABASE_URL, TRANSACTIONS_TOPIC } = settings
  const sent = simulated(2000, 32)
  const invalid = transaction({ transaction_id: 'invalid', amount: -1 })
  await sendTransactions(settings, [...sent.slice(0, 1000), invalid, ...sent.slice(1000), sent[5]])
  const run = async () => {
    const began = new Date()
    await using pipeline = await runningPipeline(settings)
    await untilProcessed(settings, { pipeline })
    await untilCheckpointed(settings, began)
  }
  await run()
  await query(
    DATABASE_URL,
    `UPDATE transactions SET status = (ARRAY['INVESTIGATED', 'FRAUD', 'DISMISSED'])[1 + kafka_offset % 3]
     WHERE kafka_offset % 4 > 0`,
  )
  const decided = await statuses(DATABASE_URL)
  const before = await stateDigests(settings, 'checkpoint')
  assert.deepEqual(differingStates(before, await stateDigests(settings, 'table')), [])

  for (const checkpoints of ['kept', 'deleted']) {
    await forgetPositions(DATABASE_URL)
    if (checkpoints === 'deleted') await query(DATABASE_URL, 'DELETE FROM checkpoints')
    await run()
    assert.deepEqual(differingStates(await stateDigests(settings, 'checkpoint'), before), [], checkpoints)
    assert.deepEqual(await statuses(DATABASE_URL), decided, checkpoints)
  }
  assert.equal(await total(DATABASE_URL, TRANSACTIONS_TOPIC, 'stored'), sent.length)
  assert.equal(await total(DATABASE_URL, TRANSACTIONS_TOPIC, 'duplicates'), 1 + 2 * 2001)
  assert.equal(await total(DATABASE_URL, TRANSACTIONS_TOPIC, 'dead_letters'), 3)
})

test('positions that are forgotten while a pipeline runs change neither its state nor a later decision', async (t) => {
  const settings = await testSettings(t, WATCHED)
  const { DATABASE_URL, TRANSACTIONS_TOPIC } = settings
  const sent = simulated(2400, 36)
  await sendTransactions(settings, sent.slice(0, 1800))
  {
    // Without a restart: the state must be right though the records that made it were not stored again.
    await using pipeline = await runningPipeline(settings)
    await untilProcessed(settings, { pipeline })
    await forgetPositions(DATABASE_URL)
    await sendTransactions(settings, sent.slice(1800, 2000))
    await untilProcessed(settings, { pipeline })
    await sendTransactions(settings, sent.slice(2000))
    await untilProcessed(settings, { pipeline })
    await untilCheckpointed(settings)
  }
  assert.deepEqual(ids(await storedRows(DATABASE_URL)), ids(sent))
  assert.equal(await total(DATABASE_URL, TRANSACTIONS_TOPIC, 'duplicates'), 1800)
  const again = await anotherRun(t, settings)
  await runToEnd(again)
  assert.deepEqual(await differingDecisions(DATABASE_URL, again.DATABASE_URL), [])
  const [states, quiet] = [await stateDigests(settings, 'checkpoint'), await stateDigests(again, 'table')]
  assert.deepEqual(differingStates(states, quiet), [])
})

test('another content under a known id and event time is a dead letter CONFLICT; the first one stands', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const first = transaction({ transaction_id: 'same', amount: 50_000 })
  const others = [
    { amount: 50_001 },
    { merchant_id: null },
    { is_fraud: true },
    { location: 'Nice' },
    { account_id: 'a-2' },
    { channel: 'ATM' as const },
  ].map((changes) => ({ ...first, ...changes }))
  const laterEvent = { ...first, timestamp: first.timestamp + 1 }
  // In the same batch as the first one, and in a later one.
  await sendTransactions(settings, [first, others[0], others[1], first, laterEvent])
  await runToEnd(settings)
  await sendTransactions(settings, [...others, first, laterEvent])
  await runToEnd(settings)

  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(
    rows.map((row) => [row.ms, row.amount, row.merchant_id, row.kafka_offset]),
    [
      [first.timestamp, '5.0000', 'm-1', 0],
      [laterEvent.timestamp, '5.0000', 'm-1', 4],
    ],
  )
  const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.deepEqual(
    letters.map((letter) => `${letter.headers!['weir-offset']} ${letter.headers!['weir-code']}`),
    [1, 2, 5, 6, 7, 8, 9, 10].map((offset) => `${offset} CONFLICT`),
  )
  const skipped = await skippedOffsets(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.deepEqual(
    skipped.filter((entry) => entry.endsWith('DUPLICATE')),
    ['0/3 DUPLICATE', '0/11 DUPLICATE', '0/12 DUPLICATE'],
  )
})

test('duplicates among batches in flight change no decision: what was judged after them is judged again', async (t) => {
  const sent = simulated(4000, 33)
  // Each transaction again after a distance: within its batch, one batch later, several batches later.
  const withDuplicates = sent.flatMap((tx, i) => {
    const again = [3, 40, 170].filter((distance) => i >= distance && i % (distance + 17) === 0)
    return [tx, ...again.map((distance) => sent[i - distance])]
  })
  const count = withDuplicates.length - sent.length
  assert.ok(count > 250, `${count} duplicates`)
  const settings = await testSettings(t, { BATCH_MAX_RECORDS: '50', QUEUE_BATCHES: '4', ...ALL_FEATURES })
  await sendTransactions(settings, withDuplicates)
  await runToEnd(settings)

  assert.deepEqual(ids(await storedRows(settings.DATABASE_URL)), ids(sent))
  assert.equal(await total(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC, 'duplicates'), count)
  const quiet = await decidedWithoutDuplicates(t, sent)
  assert.deepEqual(await differingDecisions(settings.DATABASE_URL, quiet, 'identity'), [])
})

test('a duplicate that is gone when it is looked for is no reason to stop: the batch is tried again', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  // As when another transaction held the key and rolled back; a sequence does not roll back.
  await query(settings.DATABASE_URL, 'CREATE SEQUENCE tries')
  await query(
    settings.DATABASE_URL,
    `CREATE FUNCTION refuse_twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('tries') <= 2 THEN RAISE EXCEPTION 'held by another' USING ERRCODE = 'unique_violation'; END IF;
       RETURN NEW;
     END $$`,
  )
  await query(
    settings.DATABASE_URL,
    'CREATE TRIGGER refuse_twice BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION refuse_twice()',
  )
  const sent = simulated(100, 35)
  await sendTransactions(settings, sent)
  await runToEnd(settings)
  assert.deepEqual(ids(await storedRows(settings.DATABASE_URL)), ids(sent))
})

test('a batch of megabytes whose first row is a duplicate is stored without it', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await takeAnything(settings)
  // PostgreSQL looks at the key after a thousand rows: then there is still much more to send than any socket holds.
  const sent = simulated(1024, 34).map((tx, i) =>
    i < 1000 ? tx : { ...tx, merchant_category: 'x'.repeat(1_300_000) },
  )
  const encode = await encoder(settings)
  await sendMessages(settings, [encode(sent[0])])
  await sendMessages(settings, sent.map(encode))
  await runToEnd(settings)
  assert.deepEqual(ids(await storedRows(settings.DATABASE_URL)), ids(sent))
  assert.equal(await total(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC, 'duplicates'), 1)
})
