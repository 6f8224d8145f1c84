import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { query, until } from '../harness.ts'
import { commit, connected, type EventReader, idOf, layOut, rowsOf } from '../support/event-streams.ts'
import { listeners, openStreams, STREAM } from '../support/stream-apps.ts'
import { json } from '../unit/api-app.ts'

test('a stream begins now, and has new anomalies as the list has them, and status changes', async (t) => {
  const { call, put, openStream, commitRows } = await openStreams(t)
  await commitRows(rowsOf(0, 0, 3))
  const answer = await call('HEAD', STREAM)
  assert.equal(answer.headers.get('content-type'), 'text/event-stream')
  const reader = await openStream()
  await commitRows([...rowsOf(0, 3, 2), { partition: 0, offset: 5, score: 0.1 }], rowsOf(1, 0, 1))
  await reader.have(3)
  await put('T-0-3', { new_status: 'FRAUD', note: 'for the file only' })
  const [first, second, third, fourth] = await reader.have(4)
  assert.deepEqual(
    [first, second, third].map(({ data }) => data.transaction_id),
    ['T-0-3', 'T-0-4', 'T-1-0'],
  )
  assert.equal(first.id, '0:4,1:0;0')
  const { data } = await json(call('GET', '/api/v1/anomalies?limit=1000'))
  const listed = data.find((item: { transaction_id: string }) => item.transaction_id === 'T-0-4')
  assert.deepEqual(second.data, listed)
  assert.equal(fourth.event, 'status')
  const { changed_at, ...change } = fourth.data
  assert.match(changed_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(change, {
    transaction_id: 'T-0-3',
    timestamp: '2026-11-24T09:30:00.000Z',
    previous_status: 'NEW',
    new_status: 'FRAUD',
  })
  assert.match(fourth.id, /^0:6,1:1;\d+$/)
  assert.ok(reader.retry! >= 2000)
})

test('anomalies below the least score are left out, status changes are not; resuming keeps to it', async (t) => {
  const { put, openStream, commitRows } = await openStreams(t)
  const reader = await openStream({}, '?min_score=0.9')
  const scores = [0.89, 0.9, 0.8, 1]
  await commitRows(scores.map((score, offset) => ({ partition: 0, offset, score })))
  await reader.have(2)
  await put('T-0-0', { new_status: 'DISMISSED' })
  const events = await reader.have(3)
  assert.deepEqual(reader.anomalies(), ['T-0-1', 'T-0-3'])
  const resumed = await openStream({}, `?min_score=0.9&last_event_id=${events[0].id}`)
  assert.deepEqual(
    (await resumed.have(2)).map(({ data }) => data.transaction_id),
    ['T-0-3', 'T-0-0'],
  )
})

/** A number below `n`, the same in each run. */
function randomNumbers(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** That each partition's anomalies are there once and in order, whatever their order among partitions. */
function assertWhole(
  reader: EventReader,
  expected: ReadonlyMap<number, readonly number[]>,
  what: string,
): void {
  const found = new Map([...expected.keys()].map((partition) => [partition, [] as number[]]))
  for (const { event, data } of reader.events)
    if (event === 'anomaly') found.get(data.kafka_partition)!.push(data.kafka_offset)
  assert.deepEqual(found, expected, what)
}

/** That no status change comes before its anomaly. */
function assertAnomaliesFirst({ events }: EventReader): void {
  const changed = new Set<string>()
  for (const { event, data } of events) {
    if (event === 'status') changed.add(data.transaction_id)
    else assert.ok(!changed.has(data.transaction_id), `${data.transaction_id} was changed before it came`)
  }
}

test('many partitions and commits at once: every stream is whole and in order, wherever and whenever it resumes', async (t) => {
  const partitions = 6
  const rounds = 25
  const { url, call, openStream, put } = await openStreams(t, { partitions })
  const random = randomNumbers(7)
  const offsets = new Map(Array.from({ length: partitions }, (_, p) => [p, [] as number[]]))
  const live = await openStream()
  const resumed: { from: string; reader: EventReader }[] = []
  let running = 3

  // Each writer has partitions of its own, as a lane has; some of their records are no anomalies.
  const write = (writer: number) =>
    connected(url, async (client) => {
      const next = [writer, writer + 3].map((partition) => ({ partition, offset: 0 }))
      for (let round = 0; round < rounds; round++) {
        const rows = next.flatMap((place) =>
          Array.from({ length: random(40) }, () => ({
            partition: place.partition,
            offset: place.offset++,
            score: random(4) === 0 ? 0.1 : 0.8,
          })),
        )
        await commit(client, rows)
        for (const { partition, offset, score } of rows) if (score > 0.7) offsets.get(partition)!.push(offset)
      }
      running--
    })
  const changeStatuses = async () => {
    for (let i = 0; running > 0; i++) {
      const { data } = await json(call('GET', '/api/v1/anomalies?limit=3'))
      for (const item of data)
        await put(item.transaction_id, { new_status: i % 2 ? 'FRAUD' : 'INVESTIGATED' })
      await sleep(20)
    }
  }
  const resume = async () => {
    await live.have(1)
    while (running > 0) {
      const from = live.events[random(live.events.length)].id
      resumed.push({ from, reader: await openStream({ 'Last-Event-ID': from }) })
      await sleep(50)
    }
  }
  await Promise.all([write(0), write(1), write(2), changeStatuses(), resume()])

  const [{ changes }] = await query<{ changes: number }>(url, 'SELECT count(*) AS changes FROM status_audit')
  const anomalies = [...offsets.values()].flat().length
  await live.have(anomalies + changes, 60)
  assertWhole(live, offsets, 'the live stream')
  const statuses = ({ events }: EventReader) => events.filter(({ event }) => event === 'status')
  assert.deepEqual(new Set(statuses(live).map(({ id }) => id.split(';')[1])).size, changes)
  assert.ok(resumed.length > 3, `${resumed.length} resumed`)
  for (const { from, reader } of resumed) {
    const at = live.events.findIndex(({ id }) => id === from)
    const [vector, audit] = from.split(';')
    const seen = new Map(vector.split(',').map((part) => part.split(':').map(Number) as [number, number]))
    const rest = new Map(
      [...offsets].map(([p, all]) => [p, all.filter((offset) => offset >= (seen.get(p) ?? 0))]),
    )
    const changesLeft = statuses(live).filter(({ id }) => Number(id.split(';')[1]) > Number(audit))
    await reader.have([...rest.values()].flat().length + changesLeft.length, 60)
    assertWhole(reader, rest, `resumed at ${from}, event ${at}`)
    assert.deepEqual(
      statuses(reader).map(({ data }) => data),
      changesLeft.map(({ data }) => data),
    )
  }
  for (const reader of [live, ...resumed.map(({ reader }) => reader)]) assertAnomaliesFirst(reader)
  // Nothing comes twice, later on.
  const counts = () => [live, ...resumed.map(({ reader }) => reader)].map(({ events }) => events.length)
  const before = counts()
  await sleep(300)
  assert.deepEqual(counts(), before)
})

test('a status change is never lost though its transaction commits late; other rows of the audit are no events', async (t) => {
  const { url, openStream, commitRows } = await openStreams(t)
  await commitRows(rowsOf(0, 0, 2))
  const reader = await openStream()
  const insert = (id: string) =>
    `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, actor, request_id)
     VALUES ('${id}', '2026-11-24T09:30:00Z', 'NEW', 'FRAUD', 'test', 'r')`
  await connected(url, async (first) => {
    await first.query(`BEGIN; ${insert('T-0-0')}`)
    await first.query(`INSERT INTO status_audit (actor, action) VALUES ('test', 'key.create')`)
    const second = query(url, insert('T-0-1'))
    await commitRows(rowsOf(0, 2, 1))
    await reader.have(1)
    await first.query('COMMIT')
    await second
  })
  const events = await reader.have(3)
  assert.deepEqual(
    events.map(({ data }) => data.transaction_id),
    ['T-0-2', 'T-0-0', 'T-0-1'],
  )
  assert.deepEqual(
    events.map(({ id }) => id),
    ['0:3,1:0;0', '0:3,1:0;1', '0:3,1:0;3'],
  )
})

test('when the connection for notifications is killed, and the others too, nothing is lost', async (t) => {
  const { url, openStream, commitRows } = await openStreams(t)
  const reader = await openStream()
  const kill = (names: string) =>
    query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name IN (${names})`,
    )
  for (let round = 0; round < 3; round++) {
    await until(async () => (await listeners(url)).length === 1, { what: 'the stream to listen' })
    await kill(round === 1 ? `'weir-api-stream', 'weir-test-api'` : `'weir-api-stream'`)
    await commitRows(rowsOf(0, round, 1))
    // Less than a heartbeat, which would look by itself.
    await reader.have(round + 1, 12)
  }
  assert.deepEqual(reader.anomalies(), ['T-0-0', 'T-0-1', 'T-0-2'])
})

test('who is too far behind, or ahead of what is there, is told to read the list anew', async (t) => {
  const { url, openStream, commitRows } = await openStreams(t)
  await commitRows(rowsOf(0, 0, 10_001))
  for (const from of ['0:0,1:0;0', ';0', '0:99999,1:0;0', '0:10001,1:0;5', '7:1;0']) {
    const reader = await openStream({ 'Last-Event-ID': from })
    const [{ event, id }] = await reader.have(1)
    assert.deepEqual([event, id], ['reset', '0:10001,1:0;0'], from)
    await reader.close()
  }
  const near = await openStream({ 'Last-Event-ID': '0:1,1:0;0' })
  await near.have(10_000)
  assert.equal(
    near.events.some(({ event }) => event === 'reset'),
    false,
  )

  // Somebody sets a position back.
  await query(url, 'UPDATE positions SET next_offset = 0')
  await query(url, 'NOTIFY weir_anomalies')
  const [{ event, id }] = (await near.have(10_001)).slice(-1)
  assert.deepEqual([event, id], ['reset', '0:0,1:0;0'])
})

test('an id of another process is good although this one has not read so far', async (t) => {
  const { url, openStream } = await openStreams(t)
  const reader = await openStream()
  // Committed without a word.
  await query(url, 'ALTER TABLE transactions DISABLE TRIGGER ALL')
  await connected(url, async (client) => {
    await client.query(`UPDATE positions SET next_offset = 5 WHERE partition = 0`)
  })
  const resumed = await openStream({ 'Last-Event-ID': '0:5,1:0;0' })
  await connected(url, (client) => commit(client, rowsOf(0, 5, 1)))
  assert.deepEqual(
    (await resumed.have(1)).map(({ event }) => event),
    ['anomaly'],
  )
  assert.deepEqual(
    (await reader.have(1)).map(({ event }) => event),
    ['anomaly'],
  )
})

test('a partition that is new is streamed from its beginning', async (t) => {
  const { url, openStream } = await openStreams(t, { partitions: 0 })
  const reader = await openStream()
  const { lastId } = reader
  await layOut(url, 1)
  await connected(url, (client) => commit(client, rowsOf(0, 0, 2)))
  await reader.have(2)
  const resumed = await openStream({ 'Last-Event-ID': lastId || ';0' })
  await resumed.have(2)
  assert.deepEqual(resumed.anomalies(), [
    idOf({ partition: 0, offset: 0 }),
    idOf({ partition: 0, offset: 1 }),
  ])
})
