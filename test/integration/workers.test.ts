import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { childrenOf, isAlive } from '../faults/process-facts.ts'
import { testSettings, until } from '../harness.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'

const TWO = { args: ['--workers', '2'] }

async function silentServer(t: TestContext): Promise<number> {
  const server = createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a worker that cannot start ends and is started again; SIGTERM ends all', async (t) => {
  const settings = await testSettings(t)
  const taken = await silentServer(t)
  const process = pipelineProcess(t, { ...settings, PIPELINE_METRICS_PORT: taken }, TWO)
  await until(async () => process.errors.includes('it will be started again'), {
    seconds: 20,
    what: 'the restart',
  })
  process.signal('SIGTERM')
  assert.equal(await process.ended(), 0, process.errors)
})

test('ports that are too few for the workers end the command with 2', async (t) => {
  const settings = await testSettings(t)
  const process = pipelineProcess(t, { ...settings, PIPELINE_METRICS_PORT: 65_535 }, TWO)
  assert.equal(await process.ended(), 2)
  assert.match(process.errors, /2 workers need as many ports/)
})

test('a second SIGTERM ends the workers at once, too', async (t) => {
  const settings = await testSettings(t, { SHUTDOWN_SECONDS: '60' })
  const KAFKA_BROKERS = [`127.0.0.1:${await silentServer(t)}`]
  const process = pipelineProcess(t, { ...settings, KAFKA_BROKERS }, TWO)
  await until(async () => childrenOf(process.pid).length === 2, { seconds: 20, what: 'the workers' })
  const workers = childrenOf(process.pid)
  await sleep(3000) // until they listen for signals, and wait for Kafka
  process.signal('SIGTERM')
  await until(async () => process.errors.includes('once more to stop at once'), { what: 'the first' })
  await sleep(1500) // two that come together are one: npm passes Ctrl-C on
  process.signal('SIGTERM')
  const began = performance.now()
  await process.ended()
  assert.ok(performance.now() - began < 5000, process.errors)
  await until(async () => workers.every((pid) => !isAlive(pid)), {
    seconds: 5,
    what: 'the end of the workers',
  })
})
