import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { freshDatabase, query, type Scope, until } from '../harness.ts'
import { KEY, testApp } from '../unit/api-app.ts'

const ENV = { RATE_LIMIT_STORE: 'postgres', RATE_LIMIT_READ: '4', RATE_LIMIT_FAILURES: '3' } as const

/** Apps as two replicas would be: nothing in common but the database. */
async function replicas(t: Scope, lines: string[] = []) {
  const DATABASE_URL = await freshDatabase(t)
  const make = () => {
    const app = testApp({ env: { DATABASE_URL, ...ENV }, lines })
    t.after(() => app.pool.end())
    return app
  }
  return { DATABASE_URL, one: make(), other: make(), make }
}

const statusOf = async (answer: Response | Promise<Response>) => (await answer).status
const LIST = '/api/v1/anomalies'

test('two replicas share the limit of a key', async (t) => {
  const { one, other } = await replicas(t)
  const first = await one.call('GET', LIST)
  assert.equal(first.headers.get('ratelimit-policy'), '"read";q=4;w=60')
  assert.match(first.headers.get('ratelimit')!, /^"read";r=3;t=\d+$/)
  assert.match((await other.call('GET', LIST)).headers.get('ratelimit')!, /^"read";r=2;/)
  assert.deepEqual(
    [await statusOf(one.call('GET', LIST)), await statusOf(other.call('GET', LIST))],
    [200, 200],
  )
  for (const replica of [one, other, one]) {
    const refused = await replica.call('GET', LIST)
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('content-type'), 'application/problem+json')
    assert.match(refused.headers.get('ratelimit')!, /^"read";r=0;/)
    const wait = Number(refused.headers.get('retry-after'))
    assert.ok(wait > 0 && wait <= 60, String(wait))
  }
})

test('of many calls at once to two replicas no more than the limit are served', async (t) => {
  const { one, other } = await replicas(t)
  await Promise.all([one, other].map((app) => app.bare('GET', '/health')))
  const statuses = await Promise.all(
    Array.from({ length: 12 }, (_, i) => statusOf((i % 2 ? one : other).call('GET', LIST))),
  )
  assert.deepEqual(statuses.filter((s) => s !== 429).length, 4)
})

test('wrong keys are counted for all replicas, and a restart does not forgive them', async (t) => {
  const { one, other, make } = await replicas(t)
  const guess = (app: typeof one, key = 'wrong') =>
    statusOf(app.bare('GET', '/metrics', { 'X-API-Key': key }))
  assert.deepEqual([await guess(one), await guess(other), await guess(one)], [401, 401, 401])
  assert.equal(await guess(other), 429)
  assert.equal(await guess(make(), KEY), 429)
})

test('no key, nor anything of it but its hash, stands in the table', async (t) => {
  const { DATABASE_URL, one } = await replicas(t)
  await one.call('GET', LIST)
  await one.bare('GET', LIST, { 'X-API-Key': 'wrong-key-canary' })
  const rows = await query<{ key: string }>(DATABASE_URL, 'SELECT key FROM rate_limits ORDER BY key')
  assert.deepEqual(
    rows.map(({ key }) => key.replace(/key:[\w-]{43}$/, 'key:(hash)')),
    ['failure:192.0.2.1', 'read:key:(hash)'],
  )
})

test('without the table each process counts for itself, refuses all the same, and says so once', async (t) => {
  const lines: string[] = []
  const { DATABASE_URL, one, other } = await replicas(t, lines)
  await query(DATABASE_URL, 'DROP TABLE rate_limits')
  const statuses = async (app: typeof one) => {
    const all: number[] = []
    for (let i = 0; i < 5; i++) all.push(await statusOf(app.call('GET', LIST)))
    return all
  }
  assert.deepEqual(await statuses(one), [200, 200, 200, 200, 429])
  assert.deepEqual(await statuses(other), [200, 200, 200, 200, 429])
  assert.equal(lines.filter((line) => line.includes('counted by this process alone')).length, 2)
})

test('with the database away calls are counted and answered as soon as without shared limits', async () => {
  const { bare, call, pool } = testApp({ env: { ...ENV, RATE_LIMIT_HEALTH: '2' } })
  assert.equal(await statusOf(bare('GET', '/health')), 200)
  const started = performance.now()
  assert.equal(await statusOf(bare('GET', '/health/live')), 200)
  assert.equal(await statusOf(bare('GET', '/health/live')), 429)
  assert.equal(await statusOf(call('GET', LIST)), 503)
  assert.ok(performance.now() - started < 2000)
  await pool.end()
})

test('a limiter whose pool is full does not wait for it', async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  const { bare, pool } = testApp({ env: { DATABASE_URL, ...ENV, DATABASE_POOL_SIZE: '1' } })
  t.after(() => pool.end())
  const taken = await pool.connect()
  const started = performance.now()
  assert.equal(await statusOf(bare('GET', '/health')), 200)
  assert.ok(performance.now() - started < 2000)
  taken.release()
})

test('counts that are over are removed', async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  const old = Date.now() - 2 * 3600 * 1000
  await query(DATABASE_URL, `INSERT INTO rate_limits VALUES ('read:address:192.0.2.9', 1, $1)`, [old])
  mock.timers.enable({ apis: ['setTimeout'] })
  const { pool } = testApp({ env: { DATABASE_URL, ...ENV } })
  mock.timers.tick(300_000)
  mock.timers.reset()
  t.after(() => pool.end())
  const rows = () => query(DATABASE_URL, 'SELECT FROM rate_limits')
  await until(async () => (await rows()).length === 0, { what: 'the row to be removed' })
})
