import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { Transaction } from '../../schemas/transaction.ts'
import { query, testSettings, until } from '../harness.ts'
import { type PipelineProcess, pipelineProcess } from '../support/pipeline-process.ts'
import { untilProcessed } from '../support/pipelines.ts'
import { encoder, readTopic, sendMessages } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

/** What must not be found in anything that the process writes, nor in its metrics. */
const ACCOUNT = 'ACC-canary-77120'
const CARD = '4111111111111111'
const CANARY = /canary|4111111111111111/i

const TRACE = { logLevel: 'trace' } as const

async function assertSilent(process: PipelineProcess, more: string[] = []): Promise<void> {
  const url = /"url":"(http[^"]+)"/.exec(process.errors)?.[1]
  if (url !== undefined) {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    assert.match(metrics, /weir_/)
    assert.doesNotMatch(metrics, CANARY)
  }
  const all = [...process.errors.split('\n'), ...more]
  assert.deepEqual(
    all.filter((line) => CANARY.test(line)),
    [],
  )
}

test('neither accounts nor what was wrong with a record is in any line that the pipeline writes', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await query(
    settings.DATABASE_URL,
    `ALTER TABLE transactions ADD CONSTRAINT no_casino CHECK (merchant_category <> 'Casino')`,
  )
  await query(settings.DATABASE_URL, 'ALTER TABLE transactions ALTER location TYPE varchar(12)')
  const encode = await encoder(settings)
  const of = (changes: Partial<Transaction>) => encode(transaction({ account_id: ACCOUNT, ...changes }))
  const same = { transaction_id: 'tx-canary' }
  const cut = of({}).value.subarray(0, 20)
  await sendMessages(settings, [
    of({}),
    of({ currency: 'canary' }),
    of({ account_id: `${ACCOUNT}${'x'.repeat(64)}` }),
    of({ transaction_id: '' }),
    of({ amount: -1 }),
    of({ timestamp: 0 }),
    of({ location: `\0${CARD}` }),
    of({ ...same, amount: 1_0000 }),
    of({ ...same, amount: 2_0000 }),
    of({ merchant_category: 'Casino', merchant_id: CARD }),
    of({ location: 'canary-far-too-long' }),
    { key: ACCOUNT, value: Buffer.from(`canary ${CARD}`), headers: { canary: CARD } },
    { key: ACCOUNT, value: cut },
    { key: ACCOUNT, value: null },
  ])
  const process = pipelineProcess(t, settings, TRACE)
  await untilProcessed(settings)
  const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  const header = (name: string) => letters.map(({ headers }) => String(headers![name]))
  const codes = new Set(header('weir-code'))
  for (const code of ['CONSTRAINT', 'CONFLICT', 'INVALID_CURRENCY', 'NOT_FRAMED', 'UNDECODABLE'])
    assert.ok(codes.has(code), code)
  // The bytes are kept as they came; why they are there is told without them.
  await assertSilent(process, header('weir-message'))
})

test('an error that ends the process tells neither rows nor the password', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const encode = await encoder(settings)
  await query(settings.DATABASE_URL, 'ALTER TABLE transactions DROP COLUMN location CASCADE')
  await sendMessages(settings, [encode(transaction({ account_id: ACCOUNT }))])
  const process = pipelineProcess(t, settings, TRACE)
  assert.equal(await process.ended(), 1)
  assert.match(process.errors, /location/)
  assert.ok(!process.errors.includes(new URL(settings.DATABASE_URL).password))
  assert.deepEqual(
    process.errors.split('\n').filter((line) => CANARY.test(line)),
    [],
  )
})

test('servers that are away are told without the passwords of their URLs', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const encode = await encoder(settings)
  const unknown = encode(transaction()).value
  unknown.writeUInt32BE(99_999, 1)
  await sendMessages(settings, [{ value: unknown }])
  // What answers is no registry, and is told by its address.
  const broken = createServer((_, response) => response.writeHead(404).end('default backend'))
  broken.listen(0, '127.0.0.1')
  await once(broken, 'listening')
  t.after(() => broken.close())
  const registryAt = (port: number) => `http://weir:password-canary@127.0.0.1:${port}`
  const withRegistry = async (SCHEMA_REGISTRY_URL: string, name: string) => {
    // In a group of its own: the topic has one partition.
    const KAFKA_GROUP_ID = `${settings.KAFKA_GROUP_ID}-${name}`
    const process = pipelineProcess(t, { ...settings, SCHEMA_REGISTRY_URL, KAFKA_GROUP_ID }, TRACE)
    await until(() => process.errors.split('\n').length > 8, { what: 'some lines', seconds: 20 })
    await until(() => /registry|ended|error/.test(process.errors), { what: 'the fault', seconds: 20 })
    await assertSilent(process)
    process.signal('SIGKILL')
  }
  const database = new URL(settings.DATABASE_URL)
  database.password = 'password-canary'
  database.username = 'nobody'
  const refused = pipelineProcess(t, { ...settings, DATABASE_URL: database.href }, TRACE)
  const withoutDatabase = async () => {
    await until(() => /PostgreSQL|database|error/.test(refused.errors), { what: 'the fault', seconds: 20 })
    await assertSilent(refused)
  }
  await Promise.all([
    withRegistry(registryAt((broken.address() as AddressInfo).port), 'broken'),
    withRegistry(registryAt(1), 'away'),
    withoutDatabase(),
  ])
})
