import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../deploy/local/free-ports.ts'
import { until } from '../harness.ts'
import { alertmanager as configuration, ruleFile, rulesOf } from '../support/watching.ts'
import { startDaemon } from '../tools/daemon.ts'
import { ownProgram } from '../tools/debian.ts'

/** A real Alertmanager with the routes of production, which sends to a Slack and a PagerDuty of this test. */

// Not one that is only unpacked: Debian's has templates in /usr/share.
const program = ownProgram('alertmanager') ?? ownProgram('prometheus-alertmanager')
const needs =
  program === undefined ? { skip: 'Alertmanager is not here: apt-get install prometheus-alertmanager' } : {}

interface Message {
  path: string
  // biome-ignore lint/suspicious/noExplicitAny: what Slack and PagerDuty take
  body: any
}

/** Takes what Alertmanager sends. */
async function receiver(t: TestContext): Promise<{ url: string; messages: Message[] }> {
  const messages: Message[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    messages.push({ path: request.url!, body: JSON.parse(text) })
    // PagerDuty's answer to an event.
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"status":"success"}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, messages }
}

/** Starts Alertmanager with what deploy/ has; only addresses, and how long it waits for more alerts, are others. */
async function start(t: TestContext, receiverUrl: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-alertmanager-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const secrets = join(directory, 'secrets')
  mkdirSync(secrets)
  writeFileSync(join(secrets, 'slack_webhook_url'), `${receiverUrl}/slack\n`)
  writeFileSync(join(secrets, 'pagerduty_routing_key'), 'a-routing-key\n')
  writeFileSync(join(secrets, 'smtp_password'), 'a-password\n')
  cpSync(
    fileURLToPath(new URL('../../deploy/alertmanager/templates', import.meta.url)),
    join(directory, 'templates'),
    {
      recursive: true,
    },
  )
  const text = configuration()
    .replaceAll('/run/secrets/', `${secrets}/`)
    .replaceAll(/group_wait: \w+/g, 'group_wait: 1s')
    .replace('global:\n', `global:\n  pagerduty_url: ${receiverUrl}/pagerduty\n`)
  writeFileSync(join(directory, 'alertmanager.yml'), text)
  const port = await freePort('127.0.0.1', 0)
  const args = [
    '--config.file=alertmanager.yml',
    `--storage.path=${join(directory, 'data')}`,
    '--cluster.listen-address=',
  ]
  const { url, stop } = await startDaemon(program!, args, { directory, port })
  t.after(stop)
  return url
}

/** An alert as Prometheus sends it, with the labels of its rule. */
function alertOf(name: string, labels: Record<string, string> = {}): object {
  const rule = rulesOf(ruleFile()).find(({ alert }) => alert === name)!
  return {
    labels: { alertname: name, ...rule.labels, ...labels },
    annotations: { ...rule.annotations, description: `what was measured of ${name}` },
  }
}

test(
  'alerts reach those whom they are for, with words and a link; what follows from another one is not told',
  needs,
  async (t) => {
    const { url: receiverUrl, messages } = await receiver(t)
    const url = await start(t, receiverUrl)
    const alerts = [
      alertOf('WeirDatabaseDown', { job: 'weir-pipeline' }),
      alertOf('WeirApiErrors'),
      alertOf('WeirConsumerStalled', { partition: '3' }),
      alertOf('WeirLagGrowing'),
      alertOf('WeirFraudSpike'),
      alertOf('WeirKeyExpiring', { key: '4jx0w9ac' }),
    ]
    const answer = await fetch(`${url}/api/v2/alerts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alerts),
    })
    assert.equal(answer.status, 200, await answer.text())

    const told = () =>
      messages
        .map(({ path, body }) =>
          path === '/pagerduty'
            ? `pagerduty ${/Weir\w+/.exec(body.payload.summary)?.[0]}`
            : `${body.channel} ${/Weir\w+/.exec(body.attachments[0].title)?.[0]}`,
        )
        .sort()
    const expected = [
      '#weir-fraud WeirFraudSpike',
      '#weir-operations WeirDatabaseDown',
      '#weir-operations WeirKeyExpiring',
      'pagerduty WeirDatabaseDown',
      'pagerduty WeirFraudSpike',
    ]
    await until(() => messages.length >= expected.length, { what: `${expected}`, seconds: 20 })
    // Whatever else were told would have come by now.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    assert.deepEqual(told(), expected)

    const database = messages.find(({ body }) => body.attachments?.[0].title.includes('WeirDatabaseDown'))!
    const [{ title, text, color }] = database.body.attachments
    assert.equal(title, '[FIRING: critical] WeirDatabaseDown: PostgreSQL does not answer')
    assert.match(text, /^what was measured of WeirDatabaseDown\nsince \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m)
    assert.match(text, /What to do: https:\S+\/deploy\/runbook\.md#weirdatabasedown$/)
    assert.equal(color, 'danger')
    const event = messages.find(({ path }) => path === '/pagerduty')!.body
    assert.equal(event.routing_key, 'a-routing-key')
    assert.equal(event.payload.severity, 'critical')
  },
)
