import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testSettings } from '../harness.ts'
import { runningPipeline, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

/** What stands before the registry: a load balancer, say. */
async function before(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function passOn(registry: string, path: string, response: ServerResponse): Promise<void> {
  const answer = await fetch(registry + path)
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
}

const IMPOSTORS = [
  ['a load balancer that answers 404', 404, 'text/plain', 'default backend - 404'],
  ['a page of maintenance with status 200', 200, 'text/html', '<html>We will be back soon</html>'],
] as const
// At the same time: most of it is waiting.
describe('a registry', { concurrency: true }, () => {
  for (const [what, status, type, body] of IMPOSTORS) {
    test(`${what} in the registry's stead costs no good record`, async (t) => {
      const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
      await sendTransactions(settings, simulated(100, 71))
      let isAway = true
      const SCHEMA_REGISTRY_URL = await before(t, (request, response) => {
        if (isAway) response.writeHead(status, { 'content-type': type }).end(body)
        else void passOn(settings.SCHEMA_REGISTRY_URL, request.url!, response)
      })
      await using pipeline = await runningPipeline({ ...settings, SCHEMA_REGISTRY_URL })
      await sleep(9000) // longer than an unknown id is asked for
      isAway = false
      await untilProcessed(settings, { pipeline })
      assert.equal((await storedRows(settings.DATABASE_URL)).length, 100)
    })
  }

  test('a registry that never answers one request, and the next one, holds the partition up for a while only', async (t) => {
    const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
    await sendTransactions(settings, simulated(100, 72))
    let asked = 0
    const SCHEMA_REGISTRY_URL = await before(t, (request, response) => {
      if (asked++ > 0) void passOn(settings.SCHEMA_REGISTRY_URL, request.url!, response)
    })
    await using pipeline = await runningPipeline({ ...settings, SCHEMA_REGISTRY_URL })
    await untilProcessed(settings, { pipeline })
    assert.equal((await storedRows(settings.DATABASE_URL)).length, 100)
  })
})
