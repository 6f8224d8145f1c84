import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPipeline } from '../../pipeline/main.ts'
import { createTopics } from '../../schemas/kafka.ts'
import { query, testSettings, until } from '../harness.ts'
import { runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, storedRows } from '../support/tables.ts'
import { endOffsets, quiet, readTopic, sendTransactions, withAdmin } from '../support/topics.ts'

const ONE = { TOPIC_PARTITIONS: '1' }

type Settings = Awaited<ReturnType<typeof testSettings>>

const reached = async ({ DATABASE_URL, TRANSACTIONS_TOPIC }: Settings) =>
  (await positions(DATABASE_URL, TRANSACTIONS_TOPIC))[0].next_offset

async function makeAnew(settings: Settings): Promise<void> {
  await withAdmin(settings, async (admin) => {
    await admin.deleteTopics({ topics: [settings.TRANSACTIONS_TOPIC] })
    // The broker deletes in the background, and refuses the name until then.
    await until(() => createTopics(admin, settings).then(() => true), { what: 'the topic made anew' })
  })
  await until(async () => (await endOffsets(settings))[0] === 0, { what: 'the new topic' })
}

test('a topic made anew that has grown beyond the position is refused, and the position stays', async (t) => {
  const settings = await testSettings(t, ONE)
  await sendTransactions(settings, simulated(100, 71))
  await runToEnd(settings)
  await makeAnew(settings)
  await sendTransactions(settings, simulated(300, 72))
  const pipeline = await startPipeline(settings, quiet)
  const ended = pipeline.done.then(
    () => 'ended without an error',
    (error: Error) => `${error.name}: ${error.message}`,
  )
  const outcome = await Promise.race([ended, sleep(20_000, 'goes on', { ref: false })])
  await pipeline.stop().catch(() => {})
  assert.match(outcome, /^FatalError: .*0: the record at offset 99 is not the one that was stored.*made anew/)
  assert.equal(await reached(settings), 100)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 100)

  // What the message says.
  await query(settings.DATABASE_URL, 'UPDATE positions SET last_offset = NULL')
  await runToEnd(settings)
  assert.equal(await reached(settings), 300)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 300)
})

test('a topic made anew under a running pipeline, shorter than the position, ends it with the reason', async (t) => {
  const settings = await testSettings(t, ONE)
  await sendTransactions(settings, simulated(300, 76))
  const pipeline = await startPipeline(settings, quiet)
  const ended = pipeline.done.then(
    () => 'ended without an error',
    (error: Error) => `${error.name}: ${error.message}`,
  )
  await untilProcessed(settings, { pipeline })
  await makeAnew(settings)
  await sendTransactions(settings, simulated(100, 77))
  const outcome = await Promise.race([ended, sleep(20_000, 'goes on', { ref: false })])
  await pipeline.stop().catch(() => {})
  assert.match(outcome, /^FatalError: .*the position is 300, but the topic ends at 100.*made anew/)
  assert.equal(await reached(settings), 300)
})

test('the last record of each batch is kept with the position, and a restart goes on after it', async (t) => {
  const settings = await testSettings(t, ONE)
  await sendTransactions(settings, simulated(100, 73))
  await runToEnd(settings)
  await sendTransactions(settings, simulated(50, 74))
  await runToEnd(settings)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 150)
  const [last] = await query<{ last_offset: number; last_timestamp: number }>(
    settings.DATABASE_URL,
    'SELECT last_offset, last_timestamp FROM positions',
  )
  const record = (await readTopic(settings, settings.TRANSACTIONS_TOPIC)).at(-1)!
  assert.deepEqual([last.last_offset, last.last_timestamp], [149, Number(record.timestamp)])
})

test('a last record that retention has taken keeps nothing up', async (t) => {
  const settings = await testSettings(t, ONE)
  await sendTransactions(settings, simulated(100, 75))
  await runToEnd(settings)
  await withAdmin(settings, async (admin) => {
    await admin.fetchTopicOffsets(settings.TRANSACTIONS_TOPIC) // it must know the topic before it deletes from it
    const partitions = [{ partition: 0, offset: '100' }]
    await admin.deleteTopicRecords({ topic: settings.TRANSACTIONS_TOPIC, partitions })
  })
  await sendTransactions(settings, simulated(50, 76))
  await runToEnd(settings)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 150)
})

test('a position that was set by hand is not compared with records behind it', async (t) => {
  const settings = await testSettings(t, ONE)
  await sendTransactions(settings, simulated(100, 77))
  await runToEnd(settings)
  await query(settings.DATABASE_URL, 'UPDATE positions SET next_offset = 40, last_crc = 1')
  await sendTransactions(settings, simulated(50, 78))
  await using pipeline = await runningPipeline(settings)
  await untilProcessed(settings, { pipeline })
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 150)
})
