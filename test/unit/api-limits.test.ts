import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookieOf, KEY, testApp } from './api-app.ts'

const env = {
  RATE_LIMIT_HEALTH: '4',
  RATE_LIMIT_READY: '2',
  RATE_LIMIT_READ: '3',
  RATE_LIMIT_WRITE: '2',
} as const

/** Statuses of the same call, n times. */
const times = async (n: number, call: () => Response | Promise<Response>): Promise<number[]> => {
  const statuses: number[] = []
  for (let i = 0; i < n; i++) statuses.push((await call()).status)
  return statuses
}

test('calls beyond the limit get 429 with the seconds to wait', async () => {
  const { call } = testApp({ env })
  const first = await call('GET', '/api/v1/anomalies')
  assert.equal(first.headers.get('ratelimit-policy'), '"read";q=3;w=60')
  assert.equal(first.headers.get('ratelimit'), '"read";r=2;t=60')
  assert.deepEqual(await times(3, () => call('GET', '/api/v1/anomalies')), [503, 503, 429])
  const refused = await call('GET', '/api/v1/anomalies/X')
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('content-type'), 'application/problem+json')
  assert.equal(refused.headers.get('ratelimit'), '"read";r=0;t=60')
  const wait = Number(refused.headers.get('retry-after'))
  assert.ok(wait > 50 && wait <= 60, String(wait))
})

test('unless told otherwise a minute has 100 reads, 30 changes, 100 looks at health and 30 at readiness', async () => {
  const { call, bare } = testApp()
  const policyOf = async (answer: Response | Promise<Response>) =>
    (await answer).headers.get('ratelimit-policy')
  assert.equal(await policyOf(call('GET', '/api/v1/anomalies')), '"read";q=100;w=60')
  assert.equal(await policyOf(call('PUT', '/api/v1/anomalies/X')), '"write";q=30;w=60')
  assert.equal(await policyOf(call('POST', '/api/v1/anomalies/status')), '"write";q=30;w=60')
  assert.equal(await policyOf(bare('GET', '/health/live')), '"health";q=100;w=60')
  assert.equal(await policyOf(bare('GET', '/health/ready')), '"ready";q=30;w=60')
})

test('reads, changes, health and readiness are counted apart', async () => {
  const { call, bare } = testApp({ env })
  const put = () =>
    call('PUT', '/api/v1/anomalies/X', { 'Content-Type': 'application/json' }, '{"new_status":"NEW"}')
  assert.deepEqual(await times(3, put), [503, 503, 429])
  assert.deepEqual(await times(4, () => call('GET', '/api/v1/anomalies')), [503, 503, 503, 429])
  assert.deepEqual(await times(3, () => bare('GET', '/health/ready')), [503, 503, 429])
  assert.deepEqual(await times(5, () => bare('GET', '/health/live')), [200, 200, 200, 200, 429])
  assert.equal((await bare('GET', '/health')).status, 429)
  assert.deepEqual(await times(6, () => call('GET', '/metrics')), [200, 200, 200, 200, 200, 200])
})

test('a stranger without a key uses up only what his address has', async () => {
  const { bare } = testApp({ env })
  const stranger = (address: string) => () => bare('GET', '/api/v1/anomalies', {}, undefined, address)
  assert.deepEqual(await times(4, stranger('192.0.2.1')), [401, 401, 401, 429])
  assert.deepEqual(await times(1, stranger('192.0.2.2')), [401])
  const known = await bare('GET', '/api/v1/anomalies', { 'X-API-Key': KEY }, undefined, '192.0.2.1')
  assert.equal(known.status, 503)
})

test('each session has a limit of its own', async () => {
  const { call, bare } = testApp({ env })
  const login = async () => {
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    return cookieOf(await bare('POST', 'http://localhost/login', form, new URLSearchParams({ key: KEY })))
  }
  const [one, other] = [await login(), await login()]
  const page = (Cookie: string) => () => bare('GET', 'http://localhost/', { Cookie })
  assert.deepEqual(await times(4, page(one)), [503, 503, 503, 429])
  assert.deepEqual(await times(1, page(other)), [503])
  assert.equal((await call('GET', '/api/v1/anomalies')).status, 503)
})

test('after thirty wrong keys an address is not listened to for a while, others are', async () => {
  const { bare } = testApp()
  const guess = (key: string, address: string) =>
    bare('GET', '/metrics', { 'X-API-Key': key }, undefined, address)
  const statuses = await times(31, () => guess('wrong', '192.0.2.1'))
  assert.deepEqual(new Set(statuses.slice(0, 30)), new Set([401]))
  assert.equal(statuses[30], 429)
  const right = await guess(KEY, '192.0.2.1')
  assert.equal(right.status, 429)
  assert.ok(right.headers.get('retry-after'))
  assert.equal((await guess(KEY, '192.0.2.2')).status, 200)
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'text/html' }
  const login = await bare('POST', 'http://localhost/login', form, new URLSearchParams({ key: KEY }))
  assert.equal(login.status, 429)
  assert.match(await login.text(), /Try again in \d+ s/)
})

test('an IPv6 client is counted by its /64, an IPv4 one also when it is written as IPv6', async () => {
  const { bare } = testApp({ env })
  const from = (address: string) => () => bare('GET', '/api/v1/anomalies', {}, undefined, address)
  await times(2, from('2001:db8::1'))
  assert.deepEqual(await times(2, from('2001:db8:0:0:ffff::2')), [401, 429])
  assert.deepEqual(await times(1, from('2001:db8:0:1::1')), [401])
  await times(2, from('::ffff:192.0.2.9'))
  assert.deepEqual(await times(2, from('192.0.2.9')), [401, 429])
})
