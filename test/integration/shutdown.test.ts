import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { controllableServers, query, testSettings, until } from '../harness.ts'
import { databaseProxy } from '../support/database-proxy.ts'
import { type PipelineProcess, pipelineProcess } from '../support/pipeline-process.ts'
import { anotherRun, runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { differingDecisions, positions, storedRows } from '../support/tables.ts'
import { sendTransactions, withAdmin } from '../support/topics.ts'

/** Sends SIGTERM and waits for the end. */
async function terminated(process: PipelineProcess) {
  const began = performance.now()
  process.signal('SIGTERM')
  const code = await process.ended()
  return { code, seconds: (performance.now() - began) / 1000 }
}

const stored = async (url: string) =>
  Number((await query<{ n: number }>(url, 'SELECT count(*) AS n FROM transactions'))[0].n)

/** Waits until some rows are in the table, but not all: the pipeline is at work. */
const untilAtWork = (url: string, all: number) =>
  until(
    async () => {
      const count = await stored(url)
      assert.ok(count < all, 'it was done before it could be stopped')
      return count > 0
    },
    { seconds: 30, what: 'the first rows' },
  )

async function assertPositionsMatchRows({ DATABASE_URL, TRANSACTIONS_TOPIC }: PipelineSettings) {
  const rows = await storedRows(DATABASE_URL)
  for (const [partition, position] of (await positions(DATABASE_URL, TRANSACTIONS_TOPIC)).entries()) {
    const own = rows.filter((row) => row.kafka_partition === partition)
    assert.equal(position.stored, own.length)
    assert.equal(position.next_offset, own.length, 'every record so far is a row')
    assert.ok(own.every((row) => row.kafka_offset < position.next_offset))
  }
  return rows.length
}

test('SIGTERM under load: what was fetched is stored, the exit is clean, and the next process goes on from there', async (t) => {
  const settings = await testSettings(t, { BATCH_MAX_RECORDS: '20' })
  const sent = simulated(12_000, 51)
  await sendTransactions(settings, sent)
  const first = pipelineProcess(t, settings)
  await untilAtWork(settings.DATABASE_URL, sent.length)
  const before = await stored(settings.DATABASE_URL)
  const { code, seconds } = await terminated(first)
  assert.equal(code, 0, first.errors)
  assert.ok(seconds < 10, `${seconds} s`)

  const count = await assertPositionsMatchRows(settings)
  // Only what waits between the stages and before the lanes is still stored: at most some thirty batches.
  assert.ok(count - before < 1500, `${count - before} rows after SIGTERM`)
  await runToEnd({ ...settings, BATCH_MAX_RECORDS: 1000 })
  assert.equal(await stored(settings.DATABASE_URL), sent.length)
  const quiet = await anotherRun(t, settings, { BATCH_MAX_RECORDS: 10_000 })
  await runToEnd(quiet)
  assert.deepEqual(await differingDecisions(settings.DATABASE_URL, quiet.DATABASE_URL), [])
})

test('SIGTERM while PostgreSQL is stopped ends the process with 0 within ten seconds', async (t) => {
  const { DATABASE_URL, postgres } = await controllableServers(t)
  const settings = await testSettings(t, { DATABASE_URL, BATCH_MAX_RECORDS: '20' })
  const sent = simulated(12_000, 52)
  await sendTransactions(settings, sent)
  const process = pipelineProcess(t, settings)
  await untilAtWork(DATABASE_URL, sent.length)
  await postgres.stop('fast')
  await sleep(1500)
  const { code, seconds } = await terminated(process)
  assert.equal(code, 0, process.errors)
  assert.ok(seconds < 10, `${seconds} s`)
  await postgres.start()
  await assertPositionsMatchRows(settings)
})

test('SIGTERM while PostgreSQL does not answer ends the process with 0 within ten seconds', async (t) => {
  const settings = await testSettings(t, { BATCH_MAX_RECORDS: '20' })
  const proxy = await databaseProxy(t, settings.DATABASE_URL)
  const sent = simulated(12_000, 53)
  await sendTransactions(settings, sent)
  const process = pipelineProcess(t, { ...settings, DATABASE_URL: proxy.url })
  await untilAtWork(settings.DATABASE_URL, sent.length)
  proxy.freeze()
  await sleep(1000)
  const { code, seconds } = await terminated(process)
  assert.equal(code, 0, process.errors)
  assert.ok(seconds < 10, `${seconds} s`)
})

test('SIGTERM while the schema registry is away ends the process with 0 within ten seconds', async (t) => {
  const settings = await testSettings(t)
  await sendTransactions(settings, simulated(100, 54))
  const process = pipelineProcess(t, { ...settings, SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' })
  await until(() => process.errors.includes('the schema registry gives no answer'), {
    seconds: 30,
    what: 'the warning',
  })
  const { code, seconds } = await terminated(process)
  assert.equal(code, 0, process.errors)
  assert.ok(seconds < 10, `${seconds} s`)
  assert.equal(await stored(settings.DATABASE_URL), 0)
})

test('PostgreSQL killed and started again under load: the pipeline goes on by itself, nothing lost or doubled', async (t) => {
  const { DATABASE_URL, postgres } = await controllableServers(t)
  const settings = await testSettings(t, { DATABASE_URL, BATCH_MAX_RECORDS: '40' })
  const sent = simulated(9000, 55)
  await sendTransactions(settings, sent)
  await using pipeline = await runningPipeline(settings)
  for (let kill = 1; kill <= 3; kill++) {
    const before = await stored(DATABASE_URL)
    await until(async () => (await stored(DATABASE_URL)) > before, { what: `rows before kill ${kill}` })
    await sleep(50 * kill)
    await postgres.stop('immediate')
    await postgres.start()
  }
  await untilProcessed(settings, { pipeline })

  const ids = (await storedRows(DATABASE_URL)).map((row) => row.transaction_id)
  assert.deepEqual(ids.sort(), sent.map((tx) => tx.transaction_id).sort())
  const quiet = await anotherRun(t, settings)
  await runToEnd(quiet)
  assert.deepEqual(await differingDecisions(DATABASE_URL, quiet.DATABASE_URL), [])
})

test('a database connection that is lost while the state is rebuilt is no end: the partition is taken again', async (t) => {
  const settings = await testSettings(t)
  const sent = simulated(600, 56)
  await sendTransactions(settings, sent.slice(0, 400))
  await runToEnd(settings)
  let left = 2
  const proxy = await databaseProxy(t, settings.DATABASE_URL, {
    toServer: (bytes) => (bytes.includes('FETCH') && left-- > 0 ? 'cut' : 'pass'),
  })
  await sendTransactions(settings, sent.slice(400))
  await runToEnd({ ...settings, DATABASE_URL: proxy.url })
  assert.equal(proxy.cuts, 2)
  assert.equal(await stored(settings.DATABASE_URL), sent.length)
})

test('a position beyond the end of the topic is refused with the number of missing records', async (t) => {
  const settings = await testSettings(t)
  await sendTransactions(settings, simulated(200, 57))
  await runToEnd(settings)
  await query(
    settings.DATABASE_URL,
    'UPDATE positions SET next_offset = next_offset + 12345 WHERE partition = 1',
  )
  const process = pipelineProcess(t, settings)
  assert.equal(await process.ended(), 1)
  assert.match(process.errors, /ends at \d+: 12345 records are missing/)
  assert.equal(await stored(settings.DATABASE_URL), 200)
})

test('records that were deleted before they were processed are told, with their number, and not jumped over', {
  timeout: 30_000,
}, async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await sendTransactions(settings, simulated(200, 58))
  await runToEnd(settings)
  await query(settings.DATABASE_URL, 'UPDATE positions SET next_offset = 100')
  await withAdmin(settings, async (admin) => {
    await admin.fetchTopicOffsets(settings.TRANSACTIONS_TOPIC) // it must know the topic before it deletes from it
    const partitions = [{ partition: 0, offset: '150' }]
    await admin.deleteTopicRecords({ topic: settings.TRANSACTIONS_TOPIC, partitions })
  })
  const pipeline = await runningPipeline(settings)
  t.after(() => pipeline.stop().catch(() => {}))
  await assert.rejects(pipeline.done, /begins at 150: 50 records were deleted before they were processed/)
  const [position] = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.equal(position.next_offset, 100)
})

test('a table that is missing ends the process with an error that names it', async (t) => {
  const settings = await testSettings(t)
  await sendTransactions(settings, simulated(50, 59))
  const process = pipelineProcess(t, settings)
  await until(async () => (await stored(settings.DATABASE_URL)) === 50, { seconds: 30, what: 'rows' })
  await query(settings.DATABASE_URL, 'ALTER TABLE skipped RENAME TO elsewhere')
  await query(settings.DATABASE_URL, 'ALTER TABLE positions RENAME TO positions_elsewhere')
  await sendTransactions(settings, simulated(50, 60))
  assert.equal(await process.ended(), 1)
  assert.match(process.errors, /relation "positions" does not exist/)
})

test('a database that cannot be used is a clear error at the start', async (t) => {
  const settings = await testSettings(t)
  const url = new URL(settings.DATABASE_URL)
  const cases: [part: 'port' | 'password' | 'pathname', value: string, expected: RegExp][] = [
    ['port', '1', /PostgreSQL at 127\.0\.0\.1:1\/test_\w+ \(DATABASE_URL\).*ECONNREFUSED/],
    ['password', 'wrong', /DATABASE_URL.*password authentication failed/],
    ['pathname', 'nowhere', /DATABASE_URL.*database "nowhere" does not exist/],
    ['pathname', 'postgres', /is the database migrated\? See `npm run migrate`/],
  ]
  for (const [part, value, expected] of cases) {
    const broken = new URL(url)
    broken[part] = value
    const process = pipelineProcess(t, { ...settings, DATABASE_URL: broken.href })
    assert.equal(await process.ended(), 1)
    assert.match(process.errors.replaceAll('\n', ' '), expected)
    assert.ok(!process.errors.includes(url.password), 'no secret is told')
    assert.ok(!/\n\s+at /.test(process.errors), process.errors)
  }
})

test('a port that is taken is a clear error at the start', async (t) => {
  const settings = await testSettings(t)
  const port = Number(new URL(settings.DATABASE_URL).port)
  const process = pipelineProcess(t, { ...settings, PIPELINE_METRICS_PORT: port })
  assert.equal(await process.ended(), 1)
  assert.match(process.errors, new RegExp(`port ${port} of PIPELINE_METRICS_PORT is taken`))
})

test('SIGTERM while Kafka accepts a connection and says nothing: the process ends in time all the same', async (t) => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const settings = await testSettings(t, { SHUTDOWN_SECONDS: '2' })
  const isAsked = once(silent, 'connection')
  const process = pipelineProcess(t, { ...settings, KAFKA_BROKERS: [`127.0.0.1:${port}`] })
  await isAsked
  const { code, seconds } = await terminated(process)
  assert.equal(code, 0, process.errors)
  assert.ok(seconds < 4, `${seconds} s`)
})
