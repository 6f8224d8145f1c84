import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { freshDatabase, type Scope, until } from '../harness.ts'
import { commit, connected, EventReader, layOut, rowsOf } from '../support/event-streams.ts'
import { listeners, openStreams, STREAM } from '../support/stream-apps.ts'
import { cookieOf, KEY, testApp } from '../unit/api-app.ts'

const LOCAL = 'http://localhost:8000'

test('no more clients than the setting allows; without any there is no connection for them', async (t) => {
  const { url, call, openStream } = await openStreams(t, { env: { STREAM_MAX_CLIENTS: '2' } })
  assert.equal((await listeners(url)).length, 0)
  const clients = [await openStream(), await openStream()]
  const refused = await call('GET', STREAM)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('content-type'), 'application/problem+json')
  assert.ok(refused.headers.get('retry-after'))
  const metrics = async () => (await call('GET', '/metrics')).text()
  assert.match(await metrics(), /^weir_stream_clients 2$/m)
  await until(async () => (await listeners(url)).length === 1, { what: 'one connection for both' })

  await clients[0].close()
  const another = await openStream()
  for (const client of [clients[1], another]) await client.close()
  assert.match(await metrics(), /^weir_stream_clients 0$/m)
  await until(async () => (await listeners(url)).length === 0, { what: 'the connection to end' })
  await openStream()
})

test('a stream ends when the session is over; that of a key goes on', async (t) => {
  let now = Date.now()
  const { bare, openStream } = await openStreams(t, { deps: { now: () => now } })
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const answer = await bare('GET', LOCAL + STREAM, { Cookie })
  assert.equal(answer.status, 200)
  const inSession = new EventReader(answer)
  const byKey = await openStream()
  now += 13 * 3600 * 1000
  await until(() => inSession.isEnded, { what: 'the end of the stream', seconds: 15 })
  assert.equal(byKey.isEnded, false)
})

test('a stream whose database is away at the opening is 503, and takes no place', async (t) => {
  const { call, pool } = testApp({ env: { STREAM_MAX_CLIENTS: '1' } })
  t.after(() => pool.end())
  for (let i = 0; i < 3; i++) {
    const answer = await call('GET', STREAM)
    assert.equal(answer.status, 503)
    assert.match(await answer.text(), /database/)
  }
})

/** The API over a socket, with two partitions. */
async function servedStream(t: Scope) {
  const url = await freshDatabase(t)
  await layOut(url, 2)
  const settings = loadSettings(['DATABASE_URL', 'API_KEY'], {
    DATABASE_URL: url,
    API_KEY: KEY,
    PORT: '0',
    NODE_ENV: 'test',
  })
  const api = await startApi({ settings, log: createLogger('api', 'silent') })
  t.after(() => api.stop())
  const headers = { 'X-API-Key': KEY }
  const read = async () => new EventReader(await fetch(api.url + STREAM, { headers }))
  const metrics = async () => (await fetch(`${api.url}/metrics`, { headers })).text()
  return { url, api, read, metrics }
}

/** A client that asks for the stream and never reads; resolves when it has the answer's first bytes. */
async function neverReading(t: Scope, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  socket.write(`GET ${STREAM} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\n\r\n`)
  await once(socket, 'readable')
  socket.pause()
  return socket
}

test('over a socket: a client that does not read is dropped; the others get everything in order', async (t) => {
  const { url, api, read, metrics } = await servedStream(t)
  await neverReading(t, api.port)
  const readers = await Promise.all([read(), read(), read()])
  const rounds = 60
  const size = 20
  await connected(url, async (client) => {
    for (let round = 0; round < rounds; round++) {
      // Some 0.4 MB, more than the sockets of the one that does not read can hold in the end.
      await commit(client, rowsOf(round % 2, Math.floor(round / 2) * size, size, { padding: 20_000 }))
      for (const reader of readers) await reader.have((round + 1) * size)
    }
  })
  const expected = Array.from({ length: rounds }, (_, round) =>
    rowsOf(round % 2, Math.floor(round / 2) * size, size).map(
      ({ partition, offset }) => `T-${partition}-${offset}`,
    ),
  ).flat()
  for (const reader of readers) assert.deepEqual(reader.anomalies(), expected)
  const text = await metrics()
  assert.match(text, /^weir_stream_dropped_total 1$/m)
  assert.match(text, /^weir_stream_clients 3$/m)
  assert.ok(
    Number(/^weir_stream_events_total\{event="anomaly"\} (\d+)$/m.exec(text)![1]) >= 3 * rounds * size,
  )
  for (const reader of readers) await reader.close()
})

test('a process that stops ends its streams at once, also of who does not read', async (t) => {
  const { url, api, read } = await servedStream(t)
  const idle = await read()
  await neverReading(t, api.port)
  const busy = await read()
  // One event, so nobody is dropped; more than sockets hold, so it is on its way to the one that does not read.
  await connected(url, (client) => commit(client, rowsOf(0, 0, 1, { padding: 20_000_000 })))
  await busy.have(1)
  const started = performance.now()
  await api.stop()
  assert.ok(performance.now() - started < 5000, `${performance.now() - started} ms`)
  await Promise.all([idle.ended, busy.ended])
  await assert.rejects(fetch(api.url + STREAM))
})
