import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { controllableServers, freshDatabase, query, type Scope, until } from '../harness.ts'
import { cookieOf, KEY, testApp } from '../unit/api-app.ts'
import { ANOMALIES, insert, JSON_TYPE, open } from './api-rows.ts'

const LOCAL = 'http://localhost:8000'

test('a statement that takes too long is ended and told as 504', async (t) => {
  const { put, url, audit } = await open(t, [{ id: 'T' }], { env: { STATEMENT_TIMEOUT_MS: '300' } })
  // Another session holds the row.
  const holding = query(
    url,
    `DO $$ BEGIN PERFORM FROM transactions FOR UPDATE; PERFORM pg_sleep(1.5); END $$`,
  )
  await sleep(200)
  const answer = await put('T', { new_status: 'FRAUD' })
  assert.equal(answer.status, 504)
  assert.doesNotMatch(await answer.text(), /statement timeout|SELECT/)
  await holding
  assert.deepEqual(await audit(), [])
})

test('when all connections are taken a call gets 503 within two seconds, and the next one works', async (t) => {
  const { call, pool } = await open(t, [], { env: { DATABASE_POOL_SIZE: '1' } })
  const taken = await pool.connect()
  const started = performance.now()
  const answer = await call('GET', ANOMALIES)
  assert.ok(performance.now() - started < 2000)
  assert.equal(answer.status, 503)
  taken.release()
  assert.equal((await call('GET', ANOMALIES)).status, 200)
})

test('of many calls that wait for a connection most are refused at once, and none hangs', async (t) => {
  const { call, pool } = await open(t, [], { env: { DATABASE_POOL_SIZE: '1', RATE_LIMIT_READ: '1000' } })
  const taken = await pool.connect()
  const started = performance.now()
  const calls = Array.from({ length: 60 }, async () => {
    const answer = await call('GET', ANOMALIES)
    return {
      status: answer.status,
      after: answer.headers.get('retry-after'),
      ms: performance.now() - started,
    }
  })
  const answers = await Promise.all(calls)
  const { waitingCount } = pool
  taken.release()
  assert.ok(answers.every(({ status, after }) => status === 503 && after === '2'))
  const waited = answers.filter(({ ms }) => ms > 1400)
  assert.ok(waited.length <= 10, `${waited.length} waited`)
  assert.ok(answers.every(({ ms }) => ms < 5000))
  // Those who gave up do not wait on.
  assert.equal(waitingCount, 0)
  assert.equal((await call('GET', ANOMALIES)).status, 200)
})

test('with the database stopped every call gets 503 within two seconds, and works again when it is back', async (t) => {
  const servers = await controllableServers(t)
  await insert(servers.DATABASE_URL, [{ id: 'T' }])
  const { call, bare, pool } = testApp({ env: { DATABASE_URL: servers.DATABASE_URL } })
  t.after(() => pool.end())
  const Cookie = cookieOf(
    await bare(
      'POST',
      `${LOCAL}/login`,
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      new URLSearchParams({ key: KEY }),
    ),
  )
  const calls: [string, () => Response | Promise<Response>][] = [
    ['readiness', () => bare('GET', '/health/ready')],
    ['list', () => call('GET', ANOMALIES)],
    ['one', () => call('GET', `${ANOMALIES}/T`)],
    ['change', () => call('PUT', `${ANOMALIES}/T`, JSON_TYPE, '{"new_status":"NEW"}')],
    ['timeline', () => call('GET', '/api/v1/accounts/ACC-1/transactions')],
    ['page', () => bare('GET', `${LOCAL}/`, { Cookie, Accept: 'text/html' })],
  ]
  for (const [what, made] of calls) assert.equal((await made()).status, 200, what)
  for (const mode of ['fast', 'immediate'] as const) {
    await servers.postgres.stop(mode)
    for (const [what, made] of calls) {
      const started = performance.now()
      const answer = await made()
      assert.equal(answer.status, 503, what)
      assert.ok(performance.now() - started < 2000, what)
      assert.ok(answer.headers.get('retry-after'), what)
    }
    assert.equal((await bare('GET', '/health/live')).status, 200)
    await servers.postgres.start()
    for (const [what, made] of calls) await until(async () => (await made()).status === 200, { what })
  }
})

/** A TCP proxy that can drop everything, or all that comes over the connections that it has now. */
async function silenceable(t: Scope, target: URL) {
  const sockets = new Set<Socket>()
  const forgotten = new Set<Socket>()
  let silent = false
  const server = createServer((near) => {
    const far = new Socket().connect(Number(target.port), target.hostname)
    const join = (from: Socket, to: Socket) => {
      sockets.add(from)
      from.on('data', (data) => silent || forgotten.has(from) || to.write(data))
      from.on('close', () => to.destroy()).on('error', () => {})
    }
    join(near, far)
    join(far, near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = new URL(target)
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    setSilent: (on: boolean) => {
      silent = on
    },
    forgetConnections: () => {
      for (const socket of sockets) forgotten.add(socket)
    },
  }
}

test('when the database falls silent a call gets 503 within two seconds, but a slow answer is waited for', async (t) => {
  const url = await freshDatabase(t)
  await insert(url, [{ id: 'T' }])
  const proxy = await silenceable(t, new URL(url))
  const { call, bare, pool } = testApp({ env: { DATABASE_URL: proxy.url, STATEMENT_TIMEOUT_MS: '3000' } })
  t.after(() => Promise.race([pool.end(), sleep(100)]))

  const holding = query(
    url,
    'DO $$ BEGIN PERFORM FROM transactions FOR UPDATE; PERFORM pg_sleep(2.5); END $$',
  )
  await sleep(200)
  const slow = await call('PUT', `${ANOMALIES}/T`, JSON_TYPE, '{"new_status":"FRAUD"}')
  assert.equal(slow.status, 200)
  await holding

  proxy.setSilent(true)
  for (const made of [
    () => call('GET', ANOMALIES),
    () => call('GET', ANOMALIES),
    () => bare('GET', '/health/ready'),
  ]) {
    const started = performance.now()
    assert.equal((await made()).status, 503)
    assert.ok(performance.now() - started < 2000, `${performance.now() - started} ms`)
  }
  // What was asked meanwhile was never answered: those connections are of no use any more.
  proxy.setSilent(false)
  await until(async () => (await call('GET', ANOMALIES)).status === 200, { what: 'an answer again' })
  await until(() => pool.totalCount === pool.idleCount, { what: 'every connection to be given back' })
  const together = Array.from({ length: 10 }, async () => (await call('GET', ANOMALIES)).status)
  const statuses = await Promise.race([Promise.all(together), sleep(3000, ['no answer'], { ref: false })])
  assert.deepEqual(new Set<unknown>(statuses), new Set([200]))
})

test('a connection that the network forgot is given up soon after the statement timeout', async (t) => {
  const proxy = await silenceable(t, new URL(await freshDatabase(t)))
  const { call, pool } = testApp({ env: { DATABASE_URL: proxy.url, STATEMENT_TIMEOUT_MS: '500' } })
  t.after(() => Promise.race([pool.end(), sleep(100)]))
  assert.equal((await call('GET', ANOMALIES)).status, 200)
  proxy.forgetConnections()
  const answer = await Promise.race([call('GET', ANOMALIES), sleep(3000, undefined, { ref: false })])
  assert.equal(answer?.status, 503)
  assert.equal((await call('GET', ANOMALIES)).status, 200)
})

test('a database without tables is not ready, and says so in the log', async (t) => {
  const { bare, call, url, lines } = await open(t, [])
  await query(url, 'DROP TABLE transactions CASCADE')
  assert.equal((await bare('GET', '/health/ready')).status, 503)
  assert.equal((await call('GET', ANOMALIES)).status, 503)
  assert.ok(lines.some((line) => line.includes('relation \\"transactions\\" does not exist')))
})
