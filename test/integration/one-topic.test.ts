import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query, testSettings } from '../harness.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'
import { runToEnd } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, storedRows } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

test('a database of another topic is refused at the start, until its positions bear the topic’s new name', async (t) => {
  const settings = await testSettings(t)
  const { DATABASE_URL } = settings
  const sent = simulated(60, 73)
  await sendTransactions(settings, sent.slice(0, 50))
  await runToEnd(settings)
  const renamed = await testSettings(t, { DATABASE_URL })
  await sendTransactions(renamed, sent.slice(0, 50))
  await sendTransactions(renamed, sent.slice(50))

  const process = pipelineProcess(t, renamed)
  assert.equal(await process.ended(), 1)
  const { hostname, port, pathname, password } = new URL(DATABASE_URL)
  const remedy = `UPDATE positions SET topic = '${renamed.TRANSACTIONS_TOPIC}'`
  for (const told of [
    `${hostname}:${port}${pathname} (DATABASE_URL)`,
    `of the topic ${settings.TRANSACTIONS_TOPIC}, and TRANSACTIONS_TOPIC is ${renamed.TRANSACTIONS_TOPIC}`,
    remedy,
  ])
    assert.ok(process.errors.includes(told), process.errors)
  assert.ok(!process.errors.includes(password), 'no secret is told')
  assert.ok(!/\n\s+at /.test(process.errors), process.errors)
  assert.deepEqual(await positions(DATABASE_URL, renamed.TRANSACTIONS_TOPIC), [])
  assert.equal((await storedRows(DATABASE_URL)).length, 50)

  await query(DATABASE_URL, remedy)
  // The topic was not renamed in truth: these are the same records, at another time.
  await query(DATABASE_URL, 'UPDATE positions SET last_offset = NULL')
  await runToEnd(renamed)
  const rows = await storedRows(DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), sent.map((tx) => tx.transaction_id).sort())
})
