import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { freshDatabase, query, until } from '../harness.ts'
import { apiProcess } from '../support/api-process.ts'
import { json, KEY } from '../unit/api-app.ts'
import { ANOMALIES, insert, JSON_TYPE, open } from './api-rows.ts'

test('a process that stops is not ready although the database is', async (t) => {
  const lifecycle = { stopping: false }
  const { bare } = await open(t, [], { deps: { lifecycle } })
  assert.equal((await bare('GET', '/health/ready')).status, 200)
  lifecycle.stopping = true
  const answer = await bare('GET', '/health/ready')
  assert.equal(answer.status, 503)
  assert.deepEqual(await json(answer), {
    status: 'not ready',
    checks: { database: 'ok', process: 'stopping' },
  })
})

test('/metrics counts by pattern, method and status, and has the pool and the process', async (t) => {
  const { call, pool } = await open(t, [{ id: 'T', account: 'ACC-CANARY' }])
  await call('GET', `${ANOMALIES}/T`)
  await call('GET', `${ANOMALIES}/unknown`)
  await call('GET', '/api/v1/accounts/ACC-CANARY/transactions')
  await call('GET', '/nowhere/ACC-CANARY')
  const text = await (await call('GET', '/metrics')).text()
  const route = '/api/v1/anomalies/:transaction_id'
  assert.ok(text.includes(`weir_http_requests_total{method="GET",route="${route}",status="200"} 1`))
  assert.ok(text.includes(`weir_http_requests_total{method="GET",route="${route}",status="404"} 1`))
  assert.ok(text.includes('weir_http_requests_total{method="GET",route="unmatched",status="404"} 1'))
  assert.ok(
    text.includes(`weir_http_request_duration_seconds_count{method="GET",route="${route}",status="200"} 1`),
  )
  assert.ok(text.includes(`weir_database_pool_connections{state="idle"} ${pool.idleCount}`))
  assert.doesNotMatch(text, /CANARY/)
})

const settingsFor = (url: string, env: Record<string, string> = {}) =>
  loadSettings(['DATABASE_URL', 'API_KEY'], {
    DATABASE_URL: url,
    API_KEY: KEY,
    PORT: '0',
    NODE_ENV: 'test',
    ...env,
  })

test('over a socket: it answers, refuses a large body, and finishes what runs before it stops', async (t) => {
  const url = await freshDatabase(t)
  await insert(url, [{ id: 'T' }])
  const log = createLogger('api', 'silent')
  const api = await startApi({ settings: settingsFor(url), log })
  t.after(() => api.stop())
  const headers = { 'X-API-Key': KEY, ...JSON_TYPE }

  assert.equal((await json(fetch(`${api.url}/health/ready`))).status, 'ready')
  const metrics = await (await fetch(`${api.url}/metrics`, { headers })).text()
  assert.match(metrics, /nodejs_eventloop_lag_seconds/)
  const large = await fetch(`${api.url}${ANOMALIES}/T`, { method: 'PUT', headers, body: 'x'.repeat(70_000) })
  assert.equal(large.status, 413)
  assert.equal(large.headers.get('content-type'), 'application/problem+json')

  await assert.rejects(
    startApi({ settings: settingsFor(url, { PORT: String(api.port) }), log }),
    /PORT: \d+ on 127\.0\.0\.1 is taken/,
  )

  const holding = query(url, 'DO $$ BEGIN PERFORM FROM transactions FOR UPDATE; PERFORM pg_sleep(1); END $$')
  await sleep(200)
  const running = fetch(`${api.url}${ANOMALIES}/T`, {
    method: 'PUT',
    headers,
    body: '{"new_status":"FRAUD"}',
  })
  await sleep(200)
  const stopped = api.stop()
  const answer = await running
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('connection'), 'close')
  await stopped
  await holding
  await assert.rejects(fetch(`${api.url}/health`))
  await api.stop()
})

test('SIGTERM turns readiness off, serves on while it drains, and then ends', async (t) => {
  const env = { DATABASE_URL: await freshDatabase(t), API_KEY: KEY, SHUTDOWN_DRAIN_SECONDS: '4' }
  const api = await apiProcess(t, env)
  const status = async (path: string) =>
    (await fetch(api.url + path, { headers: { 'X-API-Key': KEY } })).status
  assert.equal(await status('/health/ready'), 200)
  const started = performance.now()
  api.signal('SIGTERM')
  await until(async () => (await status('/health/ready')) === 503, { what: 'readiness off', seconds: 3 })
  assert.deepEqual([await status(ANOMALIES), await status('/health/live')], [200, 200])
  assert.equal(await api.ended(), 0)
  assert.ok(performance.now() - started > 3500)
})

test('with connections kept alive, a call under way and a database that hangs it ends within ten seconds', async (t) => {
  const url = await freshDatabase(t)
  await insert(url, [{ id: 'T' }])
  const api = await apiProcess(t, { DATABASE_URL: url, API_KEY: KEY, STATEMENT_TIMEOUT_MS: '60000' })
  const kept = connect(Number(new URL(api.url).port), '127.0.0.1')
  await once(kept, 'connect')
  kept.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(kept, 'data')
  const half = connect(Number(new URL(api.url).port), '127.0.0.1').on('error', () => {})
  await once(half, 'connect')
  half.write('GET /health HTTP/1.1\r\n')
  const holding = query(
    url,
    'DO $$ BEGIN PERFORM FROM transactions FOR UPDATE; PERFORM pg_sleep(30); END $$',
  ).catch(() => {})
  await until(
    async () =>
      (await query<{ n: number }>(url, `SELECT count(*) AS n FROM pg_locks WHERE mode = 'RowShareLock'`))[0]
        .n > 0,
    { what: 'the row to be held' },
  )
  const headers = { 'X-API-Key': KEY, ...JSON_TYPE }
  const running = fetch(`${api.url}${ANOMALIES}/T`, {
    method: 'PUT',
    headers,
    body: '{"new_status":"FRAUD"}',
  })
  running.catch(() => {})
  await until(
    async () => (await query(url, `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).length > 0,
    { what: 'the call to wait' },
  )
  const started = performance.now()
  api.signal('SIGTERM')
  assert.equal(await api.ended(), 0)
  assert.ok(performance.now() - started < 10_000, `${performance.now() - started} ms`)
  await assert.rejects(running)
  await query(url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'`)
  await holding
})

test('npm run api ends with 0 on SIGTERM, and tells which settings are missing', async (t) => {
  const url = await freshDatabase(t)
  const run = (env: Record<string, string>) =>
    spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'api'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const child = run({ DATABASE_URL: url, API_KEY: KEY, PORT: '0' })
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr.on('data', (data) => {
    text += data
  })
  await until(() => text.includes('the API listens'), { what: 'the API to listen', seconds: 20 })
  const started = performance.now()
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.ok(performance.now() - started < 5000)

  const lost = run({ DATABASE_URL: url })
  let fault = ''
  lost.stderr.on('data', (data) => {
    fault += data
  })
  const [code] = await once(lost, 'close')
  assert.equal(code, 2)
  assert.match(fault, /API_KEY: not set/)
})
