import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningApi, startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { KEY } from './api-app.ts'

const HOST = 'Host: localhost\r\n'
const lines: string[] = []
let api: RunningApi

/** Sends bytes as they are, and gives all that came back until the server closed the connection. */
async function raw(...parts: (string | number)[]): Promise<string> {
  const socket = connect(api.port, '127.0.0.1')
  let text = ''
  socket.on('data', (data) => {
    text += data
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  for (const part of parts) {
    if (typeof part === 'number') await sleep(part)
    else socket.write(part)
  }
  await once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
  return text
}
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
const put = (headers: string, body: string) =>
  `PUT /api/v1/anomalies/T HTTP/1.1\r\n${HOST}X-API-Key: ${KEY}\r\nContent-Type: application/json\r\nConnection: close\r\n${headers}\r\n\r\n${body}`

describe('over a socket', () => {
  before(async () => {
    const settings = loadSettings(['DATABASE_URL', 'API_KEY'], {
      DATABASE_URL: 'postgres://weir@127.0.0.1:1/weir',
      API_KEY: KEY,
      PORT: '0',
      NODE_ENV: 'test',
      SHUTDOWN_SECONDS: '2',
    })
    const log = createLogger('api', 'trace', { write: (line) => void lines.push(line) })
    const bounds = { headersTimeout: 1500, requestTimeout: 1500, connectionsCheckingInterval: 200 }
    api = await startApi({ settings, log, bounds })
  })
  after(() => api.stop())

  const cases: [string, number, string[]][] = [
    ['no HTTP', 400, ['hello\r\n\r\n']],
    ['a method that is none', 400, [`FOO /health HTTP/1.1\r\n${HOST}\r\n`]],
    ['no Host', 400, ['GET /health HTTP/1.1\r\nConnection: close\r\n\r\n']],
    ['a Host that is none', 400, ['GET /health HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n']],
    ['headers that are too large', 431, [`GET /health HTTP/1.1\r\n${HOST}X: ${'x'.repeat(17_000)}\r\n\r\n`]],
    ['an address that is too large', 431, [`GET /${'x'.repeat(17_000)} HTTP/1.1\r\n${HOST}\r\n`]],
    ['a length and chunks', 400, [put('Content-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n')]],
    ['two lengths', 400, [put('Content-Length: 3\r\nContent-Length: 4', 'abcd')]],
    ['a negative length', 400, [put('Content-Length: -1', '')]],
    ['a length that is too large', 413, [put('Content-Length: 70000', 'x'.repeat(70_000))]],
    [
      'chunks that are too large',
      413,
      [put('Transfer-Encoding: chunked', `11170\r\n${'x'.repeat(70_000)}\r\n0\r\n\r\n`)],
    ],
    ['a chunk that is none', 400, [put('Transfer-Encoding: chunked', 'zz\r\n')]],
    ['TRACE', 405, [`TRACE /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`]],
  ]
  for (const [what, status, parts] of cases) {
    test(`${what} is answered with ${status} as a problem`, async () => {
      const answer = await raw(...parts)
      assert.equal(statusOf(answer), status, answer.slice(0, 200))
      assert.match(answer, /content-type: application\/problem\+json/i)
      assert.match(answer, new RegExp(`"status":${status}`))
      assert.doesNotMatch(answer, /node|Error|\.ts|xxx/i)
    })
  }

  test('headers that come too slowly end the connection', async () => {
    const answer = await raw(`GET /health HTTP/1.1\r\n${HOST}`, 500, 'X-A: 1\r\n', 500, 'X-B: 1\r\n')
    assert.equal(statusOf(answer), 408)
  })

  test('a body that comes too slowly ends the connection, and is no fault of the server', async () => {
    const from = lines.length
    await raw(put('Content-Length: 100', '{"new_'))
    await raw(put('Transfer-Encoding: chunked', '5\r\n{"new\r\n'))
    assert.ok(!lines.slice(from).some((line) => ['error', 'fatal'].includes(JSON.parse(line).level)))
  })

  test('a caller that goes away in the middle of a body is no fault of the server', async () => {
    const from = lines.length
    const socket = connect(api.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(put('Content-Length: 100', '{"new_'))
    await sleep(300)
    socket.destroy()
    await raw(`GET /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    await sleep(300)
    assert.ok(!lines.slice(from).some((line) => ['error', 'fatal'].includes(JSON.parse(line).level)))
  })

  test('HEAD has the headers of GET and no body; OPTIONS tells the methods', async () => {
    const head = await raw(`HEAD /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    assert.equal(statusOf(head), 200)
    assert.match(head, /content-type: application\/json/i)
    assert.equal(head.split('\r\n\r\n')[1], '')
    const options = await raw(`OPTIONS /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)
    assert.equal(statusOf(options), 204)
    assert.match(options, /allow: GET, HEAD, OPTIONS/i)
  })

  test('stopping ends connections that are kept alive without a request', async () => {
    const socket = connect(api.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`GET /health HTTP/1.1\r\n${HOST}\r\n`)
    await once(socket, 'data')
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(10_000) })
    await api.stop()
    await closed
  })
})
