import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase, query } from '../harness.ts'
import { type ApiProcess, apiProcess } from '../support/api-process.ts'
import { ANOMALIES, insert } from './api-rows.ts'

/** What must not be found in anything that the process writes, nor in its metrics. */
const KEY = 'key-canary-8c1f2a90d4'
const WRONG_KEY = 'wrong-canary-5e7d1b'
const ACCOUNT = 'ACC-canary-77120'
const CARD = '4111111111111111'
const NOTE = 'note-canary-30b2'
const CANARY = /canary|4111 ?1111/i

type Call = [method: string, path: string, headers?: Record<string, string>, body?: string]
const json = { 'Content-Type': 'application/json' }
const form = { 'Content-Type': 'application/x-www-form-urlencoded' }

/** Every way by which a caller can send something, each with what is not his to see in a log. */
function calls(): Call[] {
  const key = { 'X-API-Key': KEY }
  const ways: Call[] = []
  for (const value of [ACCOUNT, CARD, WRONG_KEY, `${CARD}%00`, `${ACCOUNT}%ff`, `${ACCOUNT}'--`]) {
    ways.push(['GET', `${ANOMALIES}/${value}`, key], ['GET', `/api/v1/accounts/${value}/transactions`, key])
    ways.push(['GET', `${ANOMALIES}?limit=${value}&status=${value}&min_score=${value}&${value}=1`, key])
    ways.push(
      ['GET', `${ANOMALIES}/T?timestamp=${value}`, key],
      ['GET', `/${value}`],
      ['GET', `/api/${value}`, key],
    )
    ways.push(['GET', `/?account_id=${value}`], ['GET', `/metrics?key=${value}`], ['GET', `/health?${value}`])
    ways.push(
      ['DELETE', `${ANOMALIES}/${value}`, key],
      ['POST', `/anomalies/${value}/status`, form, `note=${value}`],
    )
  }
  const headers = [
    'X-API-Key',
    'Authorization',
    'Cookie',
    'User-Agent',
    'Referer',
    'Origin',
    'If-Match',
    'Accept',
  ]
  headers.push(
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'Last-Event-ID',
    'If-None-Match',
    'Traceparent',
    'X-Other',
  )
  for (const name of headers) {
    for (const value of [
      KEY,
      WRONG_KEY,
      ACCOUNT,
      `Bearer ${WRONG_KEY}`,
      `weir=${WRONG_KEY}.1.2`,
      `Bearer ${CARD}`,
    ])
      ways.push(['GET', ANOMALIES, { ...key, [name]: value }], ['GET', '/', { [name]: value }])
  }
  ways.push(
    ['GET', '/health', { 'X-Request-Id': `${CARD}` }],
    ['GET', '/health', { 'X-Request-Id': `a ${ACCOUNT}` }],
  )
  const bodies = [
    `{"new_status":"${ACCOUNT}"}`,
    `{"${ACCOUNT}":1}`,
    `{"new_status":"FRAUD","note":${CARD}}`,
    `{"new_status":["${WRONG_KEY}"]}`,
    `{"new_status":"FRAUD","note":"${ACCOUNT}`,
    `"${ACCOUNT}"`,
    ACCOUNT,
  ]
  for (const body of bodies) {
    ways.push(
      ['PUT', `${ANOMALIES}/T`, { ...key, ...json }, body],
      ['PUT', `${ANOMALIES}/T`, { ...key, ...form }, body],
    )
    ways.push(['PUT', `${ANOMALIES}/T`, { ...key, 'Content-Type': ACCOUNT }, body])
  }
  for (const value of [WRONG_KEY, KEY, CARD, 'x'.repeat(600) + ACCOUNT])
    ways.push(['POST', '/login', form, `key=${value}`], ['POST', '/login', json, `{"key":"${value}"}`])
  ways.push(['POST', '/login', { ...form, Origin: `https://${ACCOUNT}.example` }, `key=${KEY}`])
  return ways
}

/** @returns the answers' texts */
async function make(api: ApiProcess, all: Call[]): Promise<string[]> {
  const answers: string[] = []
  for (const [method, path, headers, body] of all) {
    const answer = await fetch(api.url + path, { method, headers, body, redirect: 'manual' })
    answers.push(await answer.text())
  }
  return answers
}

async function assertSilent(api: ApiProcess): Promise<void> {
  const metrics = await (await fetch(`${api.url}/metrics`, { headers: { 'X-API-Key': KEY } })).text()
  assert.match(metrics, /weir_http_requests_total/)
  assert.doesNotMatch(metrics, CANARY)
  const lines = api.output.split('\n').filter((line) => CANARY.test(line))
  assert.deepEqual(lines, [])
}

const ENV = {
  API_KEY: KEY,
  LOG_LEVEL: 'trace',
  RATE_LIMIT_FAILURES: '1000',
  RATE_LIMIT_READ: '10000',
  RATE_LIMIT_WRITE: '10000',
} as const

test('whatever callers send, by whatever way, is in no line that the API writes', async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  await insert(DATABASE_URL, [{ id: 'T', account: ACCOUNT }])
  const password = new URL(DATABASE_URL).password
  const api = await apiProcess(t, { ...ENV, DATABASE_URL })
  const answers = await make(api, calls())
  assert.ok(answers.every((text) => !text.includes(KEY) && !text.includes(password)))
  assert.ok(
    answers.some((text) => text.includes(ACCOUNT)),
    'the calls find the account',
  )
  assert.ok(api.output.split('\n').length > 200, 'every call is logged')
  assert.ok(!api.output.includes(password))
  await assertSilent(api)
})

test('bytes that are no request are in no line either', async (t) => {
  const api = await apiProcess(t, {
    ...ENV,
    DATABASE_URL: 'postgres://weir:password-canary@127.0.0.1:1/weir',
  })
  for (const bytes of [
    `${ACCOUNT}\r\n\r\n`,
    `GET /${ACCOUNT} HTTP/1.1\r\nX-API-Key: ${KEY}\r\n\r\n`,
    `GET /health HTTP/1.1\r\nHost: ${ACCOUNT} ${CARD}\r\n\r\n`,
    `PUT ${ANOMALIES}/T HTTP/1.1\r\nHost: h\r\nX-API-Key: ${KEY}\r\nContent-Length: 90\r\n\r\n{"${ACCOUNT}`,
    `PUT ${ANOMALIES}/T HTTP/1.1\r\nHost: h\r\nX-API-Key: ${KEY}\r\nTransfer-Encoding: chunked\r\n\r\n${ACCOUNT}\r\n`,
  ]) {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(bytes)
    await sleep(200)
    socket.destroy()
  }
  // And with a database that is away: the password of its URL is not told.
  await make(api, calls().slice(0, 12))
  await assertSilent(api)
})

test('errors of the database tell neither the row nor what was sent', async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  await insert(DATABASE_URL, [{ id: 'T', account: ACCOUNT }])
  const api = await apiProcess(t, { ...ENV, DATABASE_URL })
  const key = { 'X-API-Key': KEY, ...json }
  const faults = [
    `ALTER TABLE status_audit ADD CONSTRAINT no_notes CHECK (note IS NULL)`,
    `ALTER TABLE status_audit DROP CONSTRAINT no_notes, ALTER note TYPE integer USING 1`,
    `ALTER TABLE status_audit ALTER note TYPE varchar(2)`,
    `ALTER TABLE transactions DROP COLUMN location CASCADE`,
    `ALTER TABLE transactions RENAME COLUMN account_id TO account`,
  ]
  const answers: string[] = []
  for (const fault of faults) {
    await query(DATABASE_URL, fault)
    answers.push(
      ...(await make(api, [
        ['PUT', `${ANOMALIES}/T`, key, `{"new_status":"FRAUD","note":"${NOTE}"}`],
        ['GET', `/api/v1/accounts/${ACCOUNT}/transactions`, key],
      ])),
    )
  }
  assert.ok(answers.filter((text) => text.includes('"status":500')).length >= 5, answers.join('\n'))
  for (const text of answers.filter((a) => a.includes('"status":500')))
    assert.doesNotMatch(text, /SELECT|INSERT|status_audit|no_notes|column|\.ts|note-canary/)
  assert.match(api.output, /no_notes/)
  await assertSilent(api)
})

test('a URL of the database that is wrong is not shown, whatever is wrong with it', async (t) => {
  const { pathname, host } = new URL(await freshDatabase(t))
  for (const DATABASE_URL of [
    `postgres://weir:password-canary@${host}${pathname}`,
    `postgres://nobody:password-canary@${host}/none`,
    `postgres://weir:password-canary@nowhere.invalid:5432/weir`,
    `postgres://weir:password-canary%zz@${host}${pathname}`,
    `postgres://weir:password-canary@${host}${pathname}?sslmode=verify-full&sslrootcert=/nowhere`,
  ]) {
    // Some of these end the process: what it says then counts too.
    const api = await apiProcess(t, { ...ENV, DATABASE_URL }).catch((error: Error) => error)
    if (api instanceof Error) {
      assert.doesNotMatch(api.message, CANARY)
      continue
    }
    await make(api, [
      ['GET', ANOMALIES, { 'X-API-Key': KEY }],
      ['GET', '/health/ready'],
    ])
    await assertSilent(api)
    api.signal('SIGTERM')
  }
})

test('the account whose timeline is read has a pseudonym in the log, the same with the same key', async (t) => {
  const DATABASE_URL = await freshDatabase(t)
  const pseudonymsOf = async (LOG_HMAC_KEY: string) => {
    const api = await apiProcess(t, { ...ENV, DATABASE_URL, LOG_HMAC_KEY })
    await make(
      api,
      [ACCOUNT, 'ACC-2'].map(
        (id): Call => ['GET', `/api/v1/accounts/${id}/transactions`, { 'X-API-Key': KEY }],
      ),
    )
    return [...api.output.matchAll(/"account":"([^"]+)"/g)].map((match) => match[1])
  }
  const [one, same, other] = [
    await pseudonymsOf('a'.repeat(16)),
    await pseudonymsOf('a'.repeat(16)),
    await pseudonymsOf('b'.repeat(16)),
  ]
  assert.equal(new Set(one).size, 2)
  assert.deepEqual(one, same)
  assert.ok(!other.includes(one[0]))
  assert.ok(!one.includes(ACCOUNT))
})
