import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:https'
import { type AddressInfo, connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { until } from '../harness.ts'
import { findDebianProgram } from '../tools/debian.ts'
import { HOST, type Nginx, withoutNginx as skip, startNginx } from './nginx-process.ts'

/** What nginx does by itself, before a server of this test's that sees what is handed on. */

async function before(t: TestContext, listener: RequestListener): Promise<Nginx> {
  const server = createServer({ keepAliveTimeout: 65_000 }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return startNginx(t, [(server.address() as AddressInfo).port])
}

const MIB = 1024 * 1024
const sslscan = findDebianProgram('sslscan', 'sslscan')
const PROBLEM = 'application/problem+json'
const at = ({ https, ca }: Nginx) => ({ host: '127.0.0.1', port: https, ca, servername: HOST })

test('what a client says of itself goes no further: the API learns who calls, and how, from nginx alone', {
  skip,
}, async (t) => {
  const { call, plain } = await before(t, (incoming, answer) => {
    answer.end(JSON.stringify({ version: incoming.httpVersion, raw: incoming.rawHeaders }))
  })
  const forged = {
    'X-Forwarded-For': '203.0.113.9',
    'X-Forwarded-Proto': 'http, https',
    'X-Forwarded-Host': 'evil.example.com',
    'X-Forwarded-Port': '1',
    'X-Real-IP': '203.0.113.9',
    Forwarded: 'for=203.0.113.9;proto=https',
    'X-Request-Id': 'mine-1',
  }
  for (const [scheme, ask, path] of [
    ['https', call, '/api/v1/anomalies'],
    ['http', plain, '/health/live'],
  ] as const) {
    const { version, raw } = JSON.parse((await ask(path, { headers: forged, from: '127.0.0.7' })).body)
    assert.equal(version, '1.1')
    const pairs = (raw as string[]).flatMap((name, i) =>
      i % 2 === 0 ? [`${name.toLowerCase()}: ${raw[i + 1]}`] : [],
    )
    assert.deepEqual(
      pairs.sort(),
      [
        `host: ${HOST}`,
        'x-forwarded-for: 127.0.0.7',
        `x-forwarded-host: ${HOST}`,
        `x-forwarded-proto: ${scheme}`,
        'x-request-id: mine-1',
      ],
      scheme,
    )
  }
})

test('connections to the API are used again', { skip }, async (t) => {
  const sockets = new Set<unknown>()
  const { call } = await before(t, (incoming, answer) => {
    sockets.add(incoming.socket)
    answer.end()
  })
  for (let i = 0; i < 40; i++) assert.equal((await call('/')).status, 200)
  // Each of nginx's processes has its own.
  assert.ok(sockets.size < 40, `${sockets.size} connections for 40 calls`)
})

test('an address has a hundred calls under way, another one its own', { skip }, async (t) => {
  let waiting = 0
  let goOn: () => void = () => {}
  const over = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { call, plain } = await before(t, async (incoming, answer) => {
    if (incoming.headers['x-wait'] !== undefined) {
      waiting++
      await over
    }
    answer.end()
  })
  const calls = (ask: typeof call, path: string, count: number) =>
    Array.from({ length: count }, () => ask(path, { from: '127.0.0.7', headers: { 'X-Wait': '1' } }))
  // Both count together.
  const held = [...calls(call, '/', 50), ...calls(plain, '/health', 50)]
  await until(() => waiting === 100, { what: '100 calls' })
  const refused = await call('/', { from: '127.0.0.7' })
  assert.deepEqual(
    [refused.status, refused.headers['content-type'], JSON.parse(refused.body).title],
    [429, PROBLEM, 'Too Many Requests'],
  )
  assert.equal((await plain('/health', { from: '127.0.0.7' })).status, 429)
  assert.equal((await call('/', { from: '127.0.0.8' })).status, 200)
  goOn()
  for (const { status } of await Promise.all(held)) assert.equal(status, 200)
})

test('events are handed on as they come, though the API does not ask for it', { skip }, async (t) => {
  const nginx = await before(t, (_, answer) => {
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' })
    answer.write('data: first\n\n')
  })
  const sent = request({ ...at(nginx), path: '/api/v1/stream', agent: false, headers: { Host: HOST } })
  sent.end()
  t.after(() => sent.destroy())
  const [answer] = await once(sent, 'response', { signal: AbortSignal.timeout(5000) })
  const [data] = await once(answer, 'data', { signal: AbortSignal.timeout(5000) })
  assert.equal(String(data), 'data: first\n\n')
})

test('nothing that is sent either way is written to a disk', { skip }, async (t) => {
  const nginx = await before(t, async (incoming, answer) => {
    if (incoming.method === 'GET') answer.end(Buffer.alloc(32 * MIB))
    else answer.end(String((await text(incoming)).length))
  })
  // Bodies of this length just fit; there is no directory that more could go to.
  const post = (path: string, bytes: number) => nginx.call(path, { method: 'POST', body: 'x'.repeat(bytes) })
  assert.equal((await post('/api/v1/anomalies/T', 64 * 1024)).body, String(64 * 1024))
  assert.equal((await post('/api/v1/anomalies/status', 256 * 1024)).body, String(256 * 1024))
  // A client that takes its time.
  const sent = request({ ...at(nginx), path: '/api/v1/export', agent: false, headers: { Host: HOST } })
  sent.end()
  const [answer] = await once(sent, 'response')
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal((await text(answer)).length, 32 * MIB)
})

test('a body is refused by nginx itself, before the API would', { skip }, async (t) => {
  let seen = 0
  const { call } = await before(t, (_, answer) => {
    seen++
    answer.end()
  })
  for (const [path, kib] of [
    ['/api/v1/anomalies/T', 64],
    ['/api/v1/anomalies/status', 256],
  ] as const) {
    const body = 'x'.repeat(kib * 1024 + 1)
    const refused = await call(path, { method: 'POST', body })
    assert.deepEqual([refused.status, refused.headers['content-type']], [413, PROBLEM], path)
  }
  assert.equal(seen, 0)
})

test('headers of more than 8 KiB are refused', { skip }, async (t) => {
  const { call } = await before(t, (_, answer) => void answer.end())
  const cookie = (bytes: number) => call('/', { headers: { Cookie: 'x'.repeat(bytes) } })
  assert.equal((await cookie(7 * 1024)).status, 200)
  assert.equal((await cookie(9 * 1024)).status, 400)
})

/** @returns seconds until nginx has closed the connection after what was sent */
async function closedAfter(port: number, sent: string): Promise<number> {
  const socket = connectTcp(port, '127.0.0.1')
  const start = performance.now()
  socket.write(sent)
  socket.resume()
  await once(socket, 'close')
  return (performance.now() - start) / 1000
}

test('who does not go on with a request is cut off after ten seconds', { skip }, async (t) => {
  const { http } = await before(t, (_, answer) => void answer.end())
  const [inHeaders, inBody] = await Promise.all([
    closedAfter(http, `GET /health HTTP/1.1\r\nHost: ${HOST}\r\nX-`),
    closedAfter(http, `POST /health HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 9\r\n\r\nx`),
  ])
  assert.ok(inHeaders > 9 && inHeaders < 15, `${inHeaders} s in headers`)
  assert.ok(inBody > 9 && inBody < 15, `${inBody} s in a body`)
})

test('a session of TLS is taken up again from the server’s memory: no ticket leaves it', {
  skip,
}, async (t) => {
  const nginx = await before(t, (_, answer) => void answer.end())
  const open = async (session?: Buffer) => {
    const socket = connect({ ...at(nginx), maxVersion: 'TLSv1.2', session })
    await once(socket, 'secureConnect')
    const found = {
      ticket: socket.getTLSTicket(),
      session: socket.getSession(),
      isReused: socket.isSessionReused(),
    }
    socket.end()
    return found
  }
  const first = await open()
  assert.deepEqual([first.ticket, first.isReused], [undefined, false])
  assert.equal((await open(first.session)).isReused, true)
})

test('sslscan finds TLS 1.2 and 1.3 alone, with authenticated encryption and forward secrecy', {
  skip: skip || (sslscan === undefined && 'there is no sslscan: npm run check:deploy fetches Debian’s'),
}, async (t) => {
  const { https } = await before(t, (_, answer) => void answer.end())
  const args = ['--no-colour', '--sni-name=localhost', `127.0.0.1:${https}`]
  const { stdout } = await promisify(execFile)(sslscan!, args)
  const found = (pattern: RegExp) => [...stdout.matchAll(pattern)].map(([, name]) => name).sort()
  assert.deepEqual(found(/^((?:SSL|TLS)v[\d.]+) +enabled/gm), ['TLSv1.2', 'TLSv1.3'])
  assert.deepEqual(found(/^(?:Preferred|Accepted) +TLS\S+ +\d+ bits +(\S+)/gm), [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ])
  assert.doesNotMatch(stdout, /^TLSv\S+ vulnerable|Insecure/m)
})

test('a line of the access log has what is needed to find a call, and no address', { skip }, async (t) => {
  const { call, accessLog } = await before(t, (incoming, answer) => {
    answer.setHeader('X-Request-Id', String(incoming.headers['x-request-id']))
    answer.end()
  })
  await call('/api/v1/accounts/ACC-CANARY/transactions?x=CANARY', {
    from: '127.0.0.7',
    headers: { 'X-Request-Id': 'mine-2', Referer: 'https://localhost/CANARY', 'User-Agent': 'CANARY' },
  })
  const line = await until(
    async () => (await accessLog()).split('\n').find((each) => each.includes('mine-2')),
    {
      what: 'the line',
    },
  )
  const { time, bytes, seconds, api, ...rest } = JSON.parse(line)
  assert.ok(Date.parse(time) > 0 && bytes > 0 && seconds >= 0)
  assert.match(api, /^127\.0\.0\.1:\d+$/)
  assert.deepEqual(rest, {
    client: '127.0.0.7',
    method: 'GET',
    status: 200,
    tls: 'TLSv1.3',
    request_id: 'mine-2',
  })
})

test('HTTP/2 is spoken', { skip }, async (t) => {
  const nginx = await before(t, (_, answer) => void answer.end('seen'))
  if (!nginx.hasHttp2) return t.skip('this nginx is older than 1.25.1')
  const session = connectHttp2(`https://127.0.0.1:${nginx.https}`, { ca: nginx.ca, servername: HOST })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  assert.equal(await text(stream), 'seen')
})
