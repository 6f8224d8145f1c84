import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scope } from '../harness.ts'
import { commit, connected, EventReader, layOut, rowsOf } from '../support/event-streams.ts'
import { type AppOptions, json } from '../unit/api-app.ts'
import { open } from './api-rows.ts'

const STREAM = '/api/v1/stream'

/** An app with partitions that stand at 0, and its stream. */
async function openStreams(t: Scope, options: AppOptions & { partitions?: number } = {}) {
  const app = await open(t, [], options)
  await layOut(app.url, options.partitions ?? 2)
  const openStream = async (headers: Record<string, string> = {}, parameters = '') => {
    const answer = await app.call('GET', STREAM + parameters, headers)
    assert.equal(answer.status, 200)
    const reader = new EventReader(answer)
    t.after(() => reader.close())
    return reader
  }
  const commitRows = (...rows: Parameters<typeof commit>[1][]) =>
    connected(app.url, async (client) => {
      for (const batch of rows) await commit(client, batch)
    })
  return { ...app, openStream, commitRows }
}

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
  assert.deepEqual([first.id, second.id], ['0:4,1:0;0', '0:5,1:0;0'])
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
})
