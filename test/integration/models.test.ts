import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { type Artifact, type ForestArtifact, versionOf } from '../../pipeline/models/artifact.ts'
import { defaultArtifact } from '../../pipeline/models/model.ts'
import { activateModel, loadActiveModel, storeModel } from '../../pipeline/models/store.ts'
import { withClient } from '../../schemas/database.ts'
import { freshDatabase, query } from '../harness.ts'

/** `npm run <name> -- …` as a process of its own, to its end. */
async function run(database: string, ...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: database }
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', ...args], {
    env: database === '' ? { ...env, DATABASE_URL: undefined } : env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const json = () => JSON.parse(out)
  return { code: child.exitCode, out, errors, json }
}

const connected = <T>(database: string, use: Parameters<typeof withClient<T>>[1]) =>
  withClient({ connectionString: database, application_name: 'weir-test' }, use)

/** The shipped forest with another scale: another version. */
function another(by: number): ForestArtifact {
  const artifact = defaultArtifact()
  assert.ok(artifact.kind === 'isolation-forest')
  return { ...artifact, forest: { ...artifact.forest, normal: artifact.forest.normal + by } }
}

const store = (database: string, artifact: Artifact) =>
  connected(database, (client) => storeModel(client, artifact))

test('processes that start at the same time without a model agree on the shipped one', async (t) => {
  const database = await freshDatabase(t)
  const loaded = await Promise.all(Array.from({ length: 4 }, () => connected(database, loadActiveModel)))
  assert.deepEqual(new Set(loaded.map((model) => model.version)), new Set([versionOf(defaultArtifact())]))
  const rows = await query(database, 'SELECT version FROM models WHERE is_active')
  assert.equal(rows.length, 1)
})

test('one model is in force, whatever its kind: activated, rolled back, and back again, as a pipeline would load', async (t) => {
  const database = await freshDatabase(t)
  const [a, b, c] = [another(0.1), another(0.2), another(0.3)].map(versionOf)
  for (const by of [0.1, 0.2, 0.3]) await store(database, another(by))
  const inForce = async () => (await connected(database, loadActiveModel)).version

  assert.match((await run(database, 'models', 'rollback')).errors, /no model was ever active/)
  const first = await run(database, 'models', 'activate', a)
  assert.equal(first.code, 0, first.errors)
  assert.match(first.out, new RegExp(`${a} is in force.*next start`))
  const alone = await run(database, 'models', 'rollback')
  assert.equal(alone.code, 1)
  assert.match(alone.errors, new RegExp(`no model was active before ${a}`))

  assert.deepEqual((await run(database, 'models', 'activate', b, '--json')).json(), {
    version: b,
    previous: a,
  })
  assert.deepEqual((await run(database, 'models', 'activate', c, '--json')).json(), {
    version: c,
    previous: b,
  })
  assert.equal(await inForce(), c)
  assert.deepEqual((await run(database, 'models', 'rollback', '--json')).json(), { version: b, previous: c })
  assert.equal(await inForce(), b)
  assert.deepEqual((await run(database, 'models', 'rollback', '--json')).json(), { version: a, previous: b })
  assert.equal(await inForce(), a)
  assert.equal((await run(database, 'models', 'rollback')).code, 1)
  await run(database, 'models', 'activate', c)
  assert.deepEqual((await run(database, 'models', 'rollback', '--json')).json(), { version: a, previous: c })

  const listed = await run(database, 'models', 'list', '--json')
  const models = listed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ version }) => version !== versionOf(defaultArtifact()))
  assert.deepEqual(
    models.map(({ version, is_active }) => [version, is_active]),
    [
      [c, false],
      [b, false],
      [a, true],
    ],
  )
})

test('a model that cannot be served is refused, and the one in force stays', async (t) => {
  const database = await freshDatabase(t)
  const good = await store(database, another(0.1))
  await connected(database, (client) => activateModel(client, good, 'test'))
  const strange = await store(database, { ...another(0.2), features: ['phase_of_the_moon'] })

  const refused = await run(database, 'models', 'activate', strange)
  assert.equal(refused.code, 1)
  assert.match(refused.errors, /trained on \[phase_of_the_moon\].*npm run models -- list/)
  assert.equal((await connected(database, loadActiveModel)).version, good)
  const shown = (await run(database, 'models', 'show', strange, '--json')).json()
  assert.deepEqual([shown.is_active, shown.can_be_served], [false, false])
  assert.match((await run(database, 'models', 'show', good)).out, /can be served +yes/)

  const missing = await run(database, 'models', 'show', 'no-such-model')
  assert.equal(missing.code, 1)
  assert.match(missing.errors, /no model no-such-model; `npm run models -- list`/)
  assert.equal((await run('', 'models', 'list')).code, 2)
})

test('what puts a model in force is audited, with who did it; what fails is not', async (t) => {
  const database = await freshDatabase(t)
  const [a, b] = [another(0.1), another(0.2)].map(versionOf)
  for (const by of [0.1, 0.2]) await store(database, another(by))
  await connected(database, (client) => activateModel(client, a, 'somebody'))
  await connected(database, (client) => activateModel(client, b, 'somebody else'))
  await assert.rejects(connected(database, (client) => activateModel(client, 'none', 'somebody')))
  assert.equal((await run(database, 'models', 'rollback')).code, 0)
  const entries = await query<{ action: string; actor: string; details: Record<string, unknown> }>(
    database,
    'SELECT action, actor, details FROM status_audit ORDER BY seq',
  )
  assert.deepEqual(
    entries.slice(0, 2).map(({ action, actor, details }) => [action, actor, details.version]),
    [
      ['model.activate', 'somebody', a],
      ['model.activate', 'somebody else', b],
    ],
  )
  assert.deepEqual([entries.length, entries[2].action, entries[2].details.version], [3, 'model.rollback', a])
  assert.match(entries[2].actor, /^command:/)
})

test('an active model of an earlier version is refused, and the shipped one is there to be activated instead', async (t) => {
  const database = await freshDatabase(t)
  const earlier = { ...another(0), features: ['amount_log'] }
  await query(
    database,
    `INSERT INTO models (version, kind, artifact, features, metrics, is_active)
     VALUES ('isolation-forest-of-old', 'isolation-forest', $1, '{amount_log}', '{}', true)`,
    [JSON.stringify(earlier)],
  )
  await assert.rejects(connected(database, loadActiveModel), /was trained on \[amount_log\].*activate one/)
  const shipped = versionOf(defaultArtifact())
  const { out } = await run(database, 'models', 'list')
  assert.ok(out.includes(shipped), out)
  const { code, errors } = await run(database, 'models', 'activate', shipped)
  assert.equal(code, 0, errors)
  assert.equal((await connected(database, loadActiveModel)).version, shipped)
})

test('training stores a model beside the one in force, which --activate replaces', async (t) => {
  const database = await freshDatabase(t)
  const train = ['train', '--simulate', '2000', '--json', '--seed']
  const first = await run(database, ...train, '1', '--activate')
  assert.equal(first.code, 0, first.errors)
  assert.equal(first.json().active, true)
  const second = (await run(database, ...train, '2')).json()
  assert.equal(second.active, false)
  assert.equal((await connected(database, loadActiveModel)).version, first.json().version)
  const shown = (await run(database, 'models', 'show', second.version, '--json')).json()
  assert.equal(shown.trained_to, second.trained_to)
  assert.equal(shown.metrics.transactions, 2000)

  const unlabelled = await run(
    database,
    'train',
    '--model',
    'lightgbm',
    '--from',
    '2026-01-01',
    '--to',
    '2026-02-01',
  )
  assert.equal(unlabelled.code, 1)
  assert.match(unlabelled.errors, /not one transaction to train on/)
  const unknown = await run(database, 'train', '--simulate', '10', '--features', 'amount,moon')
  assert.equal(unknown.code, 1)
  assert.match(unknown.errors, /no feature moon\. There are: amount, /)
  const ignored = await run(database, 'train', '--simulate', '10', '--features', 'amount')
  assert.match(ignored.errors, /--features goes with --model lightgbm/)
})
