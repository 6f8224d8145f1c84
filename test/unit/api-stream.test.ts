import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Query } from '../../api/sql/database.ts'
import { chunksOf, StreamClient } from '../../api/stream/client.ts'
import { type Cursor, covers, formatCursor, parseCursor, rangesBetween } from '../../api/stream/cursor.ts'
import type { StreamEvent } from '../../api/stream/events.ts'
import { Feed } from '../../api/stream/feed.ts'
import { selector } from '../../api/stream/selection.ts'
import { createClient } from '../../schemas/database.ts'
import { createLogger } from '../../schemas/log.ts'
import { testApp } from './api-app.ts'

const cursor = (positions: Record<number, number>, audit = 0): Cursor => ({
  positions: new Map(Object.entries(positions).map(([partition, next]) => [Number(partition), next])),
  audit,
})

test('a cursor is read from what it was written as', () => {
  assert.equal(formatCursor(cursor({ 10: 7, 0: 1234, 1: 99 }, 57)), '0:1234,1:99,10:7;57')
  assert.equal(formatCursor(cursor({}, 0)), ';0')
  const positions = fc.dictionary(fc.nat(999).map(String), fc.nat(2 ** 40), { noNullPrototype: true })
  fc.assert(
    fc.property(positions, fc.nat(2 ** 40), (vector, audit) => {
      const given = cursor(vector, audit)
      assert.deepEqual(parseCursor(formatCursor(given)), {
        positions: new Map([...given.positions].sort(([a], [b]) => a - b)),
        audit,
      })
    }),
  )
})

test('what is no cursor is none', () => {
  const faulty = [
    '',
    ';',
    '0:1',
    '0:1;',
    '0:1,;5',
    ',0:1;5',
    '0:1,0:2;5',
    '0:-1;5',
    '0:1;5;6',
    '0:1 ;5',
    '0:1.5;5',
    'a;1',
  ]
  for (const text of [...faulty, `0:${'9'.repeat(16)};1`, `${'1:1,'.repeat(5000)}2:1;1`])
    assert.equal(parseCursor(text), undefined, text.slice(0, 40))
})

test('one cursor covers another when all of it is behind', () => {
  const later = cursor({ 0: 5, 1: 3 }, 7)
  for (const earlier of [later, cursor({ 0: 5 }, 7), cursor({ 0: 4, 1: 3 }, 0), cursor({ 9: 0 }, 7)])
    assert.ok(covers(later, earlier))
  for (const other of [cursor({ 0: 6, 1: 0 }, 7), cursor({ 0: 5, 1: 3 }, 8), cursor({ 2: 1 }, 7)])
    assert.ok(!covers(later, other))
  assert.deepEqual(rangesBetween(cursor({ 1: 3, 0: 5 }), cursor({ 2: 4, 1: 9, 0: 5 })), [
    { partition: 1, from: 3, to: 9 },
    { partition: 2, from: 0, to: 4 },
  ])
})

const event = (kind: StreamEvent['kind'], size: number, score?: number): StreamEvent => ({
  kind,
  score,
  bytes: Buffer.alloc(size, kind[0]),
  after: cursor({}),
})

test('events are handed over in runs of 64 KiB, a larger one by itself', () => {
  const events = [30, 30, 30, 100, 1].map((kib) => event('anomaly', kib * 1024))
  const sizes = chunksOf(events).map((chunk) => chunk.map(({ bytes }) => bytes.length / 1024))
  assert.deepEqual(sizes, [[30, 30], [30], [100], [1]])
  assert.deepEqual(chunksOf([]), [])
})

test('a least score is compared as a real, leaves status changes in, and its bytes are put together once', () => {
  const events = [event('anomaly', 1, 0.9), event('status', 2), event('anomaly', 4, 0.7)]
  const select = selector(events)
  const some = select(Math.fround(0.9))
  assert.equal(some.bytes.length, 3)
  assert.deepEqual(
    [...some.counts],
    [
      ['anomaly', 1],
      ['status', 1],
    ],
  )
  assert.equal(select(Math.fround(0.9)), some)
  assert.equal(select(0).bytes.length, 7)
})

/** A client over no socket, and what became of it. */
function clientOf() {
  const seen = { gone: 0, dropped: 0, destroyed: 0 }
  const client = new StreamClient({
    minScore: 0,
    destroy: () => seen.destroyed++,
    onGone: () => seen.gone++,
    onDropped: () => seen.dropped++,
  })
  return { client, seen }
}

test('a client that reads nothing is dropped beyond 256 KiB, once', () => {
  const { client, seen } = clientOf()
  const chunk = Buffer.alloc(60 * 1024)
  const taken = Array.from({ length: 8 }, () => client.send(chunk))
  assert.deepEqual(taken, [true, true, true, true, false, false, false, false])
  assert.deepEqual(seen, { gone: 1, dropped: 1, destroyed: 1 })
})

test('an event larger than the bound goes to who has read everything, and to nobody else', async () => {
  const { client, seen } = clientOf()
  const large = Buffer.alloc(300 * 1024)
  assert.ok(client.send(large))
  const reader = client.body.getReader()
  assert.equal((await reader.read()).value, large, 'the very bytes, not a copy')
  assert.ok(client.send(large))
  assert.ok(!client.send(Buffer.alloc(1)))
  assert.equal(seen.dropped, 1)
})

test('room is there when a chunk was read, and at once when the client is gone', async () => {
  const { client, seen } = clientOf()
  const reader = client.body.getReader()
  for (let i = 0; i < 3; i++) client.send(Buffer.alloc(64 * 1024))
  let hasRoom = false
  const waiting = client.room().then(() => {
    hasRoom = true
  })
  await reader.read()
  await new Promise(setImmediate)
  assert.ok(!hasRoom)
  await reader.read()
  await waiting
  for (let i = 0; i < 2; i++) client.send(Buffer.alloc(64 * 1024))
  const left = client.room()
  await reader.cancel()
  await left
  assert.deepEqual(seen, { gone: 1, dropped: 0, destroyed: 0 })
  assert.ok(!client.send(Buffer.alloc(1)))
})

test('a heartbeat renews the id of who gets no events', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let audit = 1
  const feed = await Feed.open({
    query: (async (text: string) =>
      text.includes('positions') ? [{ audit, positions: { 0: 5 } }] : []) as Query,
    connect: () =>
      createClient({ connectionString: 'postgres://weir@127.0.0.1:1/weir', application_name: 'test' }),
    metrics: { dropped: () => {}, sent: () => {} },
    log: createLogger('test', 'silent'),
  })
  t.after(() => feed.close())
  const { client } = clientOf()
  feed.join(client)
  const reader = client.body.getReader()
  const next = async () => Buffer.from((await reader.read()).value!).toString()
  t.mock.timers.tick(15_000)
  assert.equal(await next(), ': heartbeat\nid: 0:5;1\n\n')
  audit = 2
  await feed.look()
  t.mock.timers.tick(15_000)
  assert.equal(await next(), ': heartbeat\nid: 0:5;2\n\n')
})

test('what is wrong with the call is told before the database is asked', async () => {
  const { call, bare } = testApp()
  const wrong = [
    ['?last_event_id=x', {}],
    ['', { 'Last-Event-ID': '0:1' }],
    ['?min_score=2', {}],
  ] as const
  for (const [parameters, headers] of wrong) {
    const answer = await call('GET', `/api/v1/stream${parameters}`, headers)
    assert.equal(answer.status, 422)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  }
  assert.equal((await bare('GET', '/api/v1/stream')).status, 401)
  const answer = await call('GET', '/api/v1/stream')
  assert.equal(answer.status, 503)
  assert.ok(answer.headers.get('retry-after'))
})
