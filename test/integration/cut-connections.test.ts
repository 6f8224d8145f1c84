import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokerProxy } from '../faults/proxy.ts'
import { testSettings } from '../harness.ts'
import { runningPipeline, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

test('a connection to Kafka that breaks in the middle of a response does not stop the stream', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3' })
  await sendTransactions(settings, simulated(5000, 7))
  const proxy = await brokerProxy(t, settings.KAFKA_BROKERS[0])
  proxy.cutInside(30_000)
  await using pipeline = await runningPipeline({ ...settings, KAFKA_BROKERS: [proxy.address] })
  await untilProcessed(settings, { pipeline })
  assert.equal(proxy.cuts, 1)
  assert.equal((await storedRows(settings.DATABASE_URL)).length, 5000)
})
