import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { test } from 'node:test'
import { connect, getCiphers, type SecureVersion } from 'node:tls'
import { until } from '../harness.ts'
import { commit, connected, layOut, rowsOf } from '../support/event-streams.ts'
import { type Edge, KEY, edge as open } from './edge.ts'
import { withoutNginx as skip } from './nginx-process.ts'

/** nginx and the API together. */

const PROBLEM = 'application/problem+json'
const title = (body: string): string => JSON.parse(body).title

test('plain http leads pages to https, and refuses keys', { skip }, async (t) => {
  const { plain } = await open(t)
  for (const path of ['/', '/anomalies/T-1?back=%2F', '/login']) {
    const { status, headers } = await plain(path, { bare: true })
    assert.deepEqual([status, headers.location], [301, `https://localhost${path}`])
  }
  for (const path of [
    '/api/v1/anomalies',
    '/api/v1/anomalies/T',
    '/api/openapi.json',
    '/api',
    '//api/v1/anomalies',
    '/metrics',
  ]) {
    const { status, headers, body } = await plain(path)
    assert.deepEqual([status, headers.location, headers['content-type']], [403, undefined, PROBLEM], path)
    assert.equal(title(body), 'Forbidden')
  }
  const posted = await plain('/login', { method: 'POST', body: `key=${KEY}`, bare: true })
  assert.deepEqual([posted.status, posted.headers.location], [403, undefined])
  const health = await plain('/health/ready', { bare: true })
  assert.equal(health.status, 200, 'a load balancer asks without TLS')
})

/** @returns what was agreed on, or why not */
async function handshake(
  { https, ca }: Edge,
  version: SecureVersion,
  ciphers = 'DEFAULT@SECLEVEL=0',
): Promise<string> {
  const options = { host: '127.0.0.1', port: https, servername: 'localhost', ca, ciphers }
  const socket = connect({ ...options, minVersion: version, maxVersion: version })
  try {
    await once(socket, 'secureConnect')
    return socket.getProtocol()!
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  } finally {
    socket.destroy()
  }
}

test('TLS 1.2 and 1.3 with forward secrecy, and nothing older', { skip }, async (t) => {
  const at = await open(t)
  assert.equal(await handshake(at, 'TLSv1.3'), 'TLSv1.3')
  assert.equal(await handshake(at, 'TLSv1.2'), 'TLSv1.2')
  // The server's own word: this client would speak them.
  const refused = 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'
  assert.equal(await handshake(at, 'TLSv1.1'), refused)
  assert.equal(await handshake(at, 'TLSv1'), refused)
  const taken: string[] = []
  for (const cipher of getCiphers().filter((name) => !name.startsWith('tls_')))
    if ((await handshake(at, 'TLSv1.2', `${cipher.toUpperCase()}:@SECLEVEL=0`)) === 'TLSv1.2')
      taken.push(cipher)
  // Those of a key of elliptic curves, which this certificate has.
  assert.deepEqual(taken.sort(), [
    'ecdhe-ecdsa-aes128-gcm-sha256',
    'ecdhe-ecdsa-aes256-gcm-sha384',
    'ecdhe-ecdsa-chacha20-poly1305',
  ])
})

test('the API’s headers come once and as they are; nginx tells no version, and has its own on its own answers', {
  skip,
}, async (t) => {
  const { call, apis } = await open(t)
  const kept = [
    'strict-transport-security',
    'content-security-policy',
    'x-content-type-options',
    'x-frame-options',
    'referrer-policy',
    'cache-control',
    'ratelimit',
    'x-request-id',
  ]
  const direct = await fetch(`${apis[0].url}/api/v1/anomalies`, { headers: { 'X-API-Key': KEY } })
  const { status, headers, names } = await call('/api/v1/anomalies', {
    headers: { 'X-Request-Id': 'mine-1' },
  })
  assert.equal(status, 200)
  for (const name of kept) {
    assert.equal(names.filter((n) => n === name).length, 1, name)
    if (name !== 'ratelimit' && name !== 'x-request-id')
      assert.equal(headers[name], direct.headers.get(name), name)
  }
  assert.equal(headers['x-request-id'], 'mine-1')
  assert.equal(headers.server, 'nginx')
  const asset = await call('/assets/weir.css', { bare: true })
  assert.equal(asset.headers['cache-control'], 'public, max-age=31536000, immutable')

  for (const path of ['/metrics', '//metrics', '/%6Detrics', '/metrics?x=1', '/a/../metrics']) {
    const own = await call(path)
    assert.deepEqual([own.status, own.headers['content-type']], [403, PROBLEM], path)
    for (const name of ['strict-transport-security', 'x-content-type-options', 'cache-control'])
      assert.equal(own.names.filter((n) => n === name).length, 1, name)
    assert.equal(own.headers.server, 'nginx')
  }
})

test('a client is counted by the address that nginx sees, whatever it says of itself', {
  skip,
}, async (t) => {
  const { call } = await open(t, { RATE_LIMIT_STORE: 'postgres', RATE_LIMIT_HEALTH: '3' })
  const ask = async (from: string, headers: Record<string, string> = {}) =>
    (await call('/health', { bare: true, from, headers })).status
  for (let i = 0; i < 3; i++) assert.equal(await ask('127.0.0.7'), 200)
  assert.equal(await ask('127.0.0.7'), 429)
  assert.equal(await ask('127.0.0.8'), 200, 'another client has its own calls')
  const forged: Record<string, string>[] = [
    { 'X-Forwarded-For': '203.0.113.9' },
    { 'X-Forwarded-For': '203.0.113.9, 127.0.0.8' },
    { Forwarded: 'for=203.0.113.9', 'X-Real-IP': '203.0.113.9' },
  ]
  for (const headers of forged) assert.equal(await ask('127.0.0.7', headers), 429, JSON.stringify(headers))
})

test('a login over https gets the cookie for https; a client cannot say that its http is https', {
  skip,
}, async (t) => {
  const { call, plain } = await open(t)
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const post = { method: 'POST', headers: form, body: `key=${KEY}`, bare: true }
  const answer = await call('/login', post)
  assert.equal(answer.status, 303, answer.body)
  assert.match(String(answer.headers['set-cookie']), /^__Host-weir=.*Secure/)
  const forged = await plain('/login', { ...post, headers: { ...form, 'X-Forwarded-Proto': 'https' } })
  assert.deepEqual([forged.status, forged.headers['set-cookie']], [403, undefined])
})

test('bodies of more than 64 KiB are refused, but for many changes at once', { skip }, async (t) => {
  const { call } = await open(t)
  const json = { 'Content-Type': 'application/json' }
  const put = (bytes: number) =>
    call('/api/v1/anomalies/T', {
      method: 'PUT',
      headers: json,
      body: JSON.stringify({ new_status: 'FRAUD', note: 'x'.repeat(bytes - 40) }),
    })
  assert.equal((await put(60 * 1024)).status, 422, 'the API refuses the note, not nginx the body')
  const large = await put(65 * 1024)
  assert.deepEqual(
    [large.status, large.headers['content-type'], title(large.body)],
    [413, PROBLEM, 'Content Too Large'],
  )
  const bulk = (bytes: number) =>
    call('/api/v1/anomalies/status', { method: 'POST', headers: json, body: 'x'.repeat(bytes) })
  assert.notEqual((await bulk(200 * 1024)).status, 413)
  assert.equal((await bulk(257 * 1024)).status, 413)
})

test('events of the stream come through as they happen', { skip }, async (t) => {
  const { https, ca, databaseUrl } = await open(t)
  await layOut(databaseUrl, 1)
  const sent = request({
    ...{ host: '127.0.0.1', port: https, path: '/api/v1/stream', ca, servername: 'localhost', agent: false },
    headers: { Host: 'localhost', 'X-API-Key': KEY },
  })
  sent.end()
  t.after(() => sent.destroy())
  const [answer] = await once(sent, 'response')
  assert.deepEqual([answer.statusCode, answer.headers['content-type']], [200, 'text/event-stream'])
  let text = ''
  answer.setEncoding('utf8').on('data', (data: string) => {
    text += data
  })
  for (const offset of [0, 1, 2]) {
    await connected(databaseUrl, (client) => commit(client, rowsOf(0, offset, 1)))
    // Well before the next heartbeat would push it out of a buffer.
    await until(() => text.includes(`T-0-${offset}`), { what: `event ${offset}`, seconds: 10 })
  }
})

test('a process that is gone is not missed; without any the answer says so, and the log names no account', {
  skip,
}, async (t) => {
  const { call, plain, apis, accessLog, errorLog } = await open(t)
  apis[0].signal('SIGKILL')
  await apis[0].ended()
  for (let i = 0; i < 10; i++) {
    const { status } = await call('/api/v1/accounts/ACC-CANARY/transactions')
    assert.equal(status, 200)
  }
  apis[1].signal('SIGKILL')
  await apis[1].ended()
  const away = await call('/api/v1/accounts/ACC-CANARY/transactions')
  assert.deepEqual(
    [away.status, away.headers['content-type'], title(away.body)],
    [503, PROBLEM, 'Service Unavailable'],
  )
  const lines = (await accessLog()).trim().split('\n')
  assert.equal(JSON.parse(lines.at(-1)!).status, 503)
  assert.doesNotMatch(lines.join() + errorLog(), /CANARY|a-key-for/)
  const health = await plain('/health/ready', { bare: true })
  assert.deepEqual(
    [health.status, health.headers['content-type'], title(health.body), health.headers['cache-control']],
    [503, PROBLEM, 'Service Unavailable', 'no-store'],
  )
})
