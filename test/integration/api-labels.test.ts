import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import type { Database, Query } from '../../api/sql/database.ts'
import { changeStatus } from '../../api/sql/statuses.ts'
import { GENUINE, kindOf, PLAIN_FRAUD } from '../../pipeline/features/label-events.ts'
import { newestLabel, readDayEvents } from '../../pipeline/store/label-queries.ts'
import { withClient } from '../../schemas/database.ts'
import { query } from '../harness.ts'
import { DAY } from '../support/transactions.ts'
import { ANOMALIES, open, type Row } from './api-rows.ts'
import { untilWaiting } from './queries.ts'

interface StoredLabel {
  origin: string
  is_fraud: boolean | null
}

const labelsOf = (url: string) => query<StoredLabel>(url, 'SELECT origin, is_fraud FROM labels ORDER BY id')

/** What the last label says; undefined where there is none. */
async function lastWord(url: string, id = 'T'): Promise<boolean | null | undefined> {
  const [last] = await query<StoredLabel>(url, 'SELECT is_fraud FROM last_labels WHERE transaction_id = $1', [
    id,
  ])
  return last?.is_fraud
}

const T: Row = { id: 'T', time: '2026-11-24T09:30:00.123456Z' }

test('an analyst’s FRAUD and DISMISSED are labels, with the key’s name and the transaction’s very time', async (t) => {
  const { put, url } = await open(t, [T, { id: 'other' }])
  await put('T', { new_status: 'FRAUD' })
  const [{ distance, ...label }] = await query<{ distance: number }>(
    url,
    `SELECT l.is_fraud, origin, l.timestamp = t.timestamp AS same_time,
            abs(extract(epoch FROM now() - known_at))::float8 AS distance
     FROM labels l JOIN transactions t USING (transaction_id)`,
  )
  assert.deepEqual(label, { is_fraud: true, origin: 'analyst:API_KEY', same_time: true })
  assert.ok(distance < 60, `known ${distance} s from now`)
  await put('T', { new_status: 'DISMISSED' })
  assert.equal(await lastWord(url), false)
  assert.equal(await lastWord(url, 'other'), undefined)
  const origin = 'analyst:API_KEY'
  assert.deepEqual(await labelsOf(url), [
    { origin, is_fraud: true },
    { origin, is_fraud: false },
  ])
})

test('a status that is no verdict, the same status again and a lost race write no label', async (t) => {
  const { put, url } = await open(t, [T])
  await put('T', { new_status: 'INVESTIGATED' })
  await put('T', { new_status: 'NEW' })
  assert.deepEqual(await labelsOf(url), [])
  await put('T', { new_status: 'FRAUD' })
  await put('T', { new_status: 'FRAUD' })
  const late = await put('T', { new_status: 'DISMISSED' }, { 'If-Match': '"1"' })
  assert.equal(late.status, 409)
  assert.equal((await labelsOf(url)).length, 1)
})

test('a verdict that is taken back leaves no word, and the history of it', async (t) => {
  const { put, url } = await open(t, [T])
  await put('T', { new_status: 'FRAUD' })
  await put('T', { new_status: 'NEW' })
  assert.equal(await lastWord(url), null)
  await put('T', { new_status: 'INVESTIGATED' })
  assert.equal((await labelsOf(url)).length, 2, 'nothing is left to take back')
})

test('a verdict that is taken back leaves what others said last', async (t) => {
  const { put, url } = await open(t, [T])
  await query(
    url,
    `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
     VALUES ('T', $1, false, 'chargeback', '2026-11-24T10:00Z'), ('T', $1, true, 'chargeback', '2026-11-24T11:00Z')`,
    [T.time],
  )
  await put('T', { new_status: 'DISMISSED' })
  assert.equal(await lastWord(url), false)
  await put('T', { new_status: 'INVESTIGATED' })
  assert.equal(await lastWord(url), true)
})

test('what features learn of merchants is what analysts said, and no more once it is taken back', async (t) => {
  const { put, url } = await open(t, [T])
  const kinds = () =>
    withClient({ connectionString: url, application_name: 'weir-test' }, async (client) => {
      const known = { until: '2199-01-01T00:00:00Z', seen: await newestLabel(client) }
      await client.query('BEGIN')
      const day = Math.floor(Date.parse(T.time!) / DAY)
      return [...(await readDayEvents(client, day, known)).of('M-1')].map(kindOf)
    })
  assert.deepEqual(await kinds(), [GENUINE])
  await put('T', { new_status: 'FRAUD' })
  assert.deepEqual(await kinds(), [PLAIN_FRAUD])
  await put('T', { new_status: 'NEW' })
  assert.deepEqual(await kinds(), [GENUINE])
})

test('when the label cannot be written the status and the audit stay', async (t) => {
  const { put, statusOf, url, audit } = await open(t, [T])
  await query(url, 'ALTER TABLE labels ADD CHECK (NOT is_fraud)')
  assert.equal((await put('T', { new_status: 'FRAUD' })).status, 500)
  assert.equal(await statusOf('T'), 'NEW')
  assert.deepEqual(await audit(), [])
  assert.equal((await put('T', { new_status: 'DISMISSED' })).status, 200)
  assert.equal(await lastWord(url), false)
})

/** A connection in a transaction, which is ended before the test's database is dropped. */
async function inTransaction(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  await withClient({ connectionString: url, application_name: 'weir-test' }, async (client) => {
    await client.query('BEGIN')
    await work(client)
  })
}

test('of two the one who decides last has the last word, though he may have begun first', async (t) => {
  const { put, call, audit, url } = await open(t, [T])
  const etag = (await call('GET', `${ANOMALIES}/T`)).headers.get('etag')!
  const waiting: (Response | Promise<Response>)[] = []
  await inTransaction(url, async (first) => {
    await first.query(`SELECT FROM transactions WHERE transaction_id = 'T' FOR UPDATE`)
    waiting.push(
      put('T', { new_status: 'FRAUD' }),
      put('T', { new_status: 'INVESTIGATED' }, { 'If-Match': etag }),
    )
    await untilWaiting(url, 2)
    const ofFirst: Query = async (text, values) => (await first.query(text, values)).rows
    const database = { query: ofFirst, transaction: (work) => work(ofFirst) } as Database
    const change = {
      transaction_id: 'T',
      new_status: 'DISMISSED',
      actor: 'another',
      request_id: 'r',
    } as const
    await changeStatus(database, change)
    await first.query('COMMIT')
  })
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ status }) => status),
    [200, 409],
  )
  assert.equal(await lastWord(url), true)
  assert.deepEqual(
    (await audit()).map(({ previous_status, new_status }) => [previous_status, new_status]),
    [
      ['NEW', 'DISMISSED'],
      ['DISMISSED', 'FRAUD'],
    ],
  )
})

test('who waits to write a label keeps nobody from the audit, and where there is none to write nobody waits', async (t) => {
  const { put, statusOf, url } = await open(t, [T, { id: 'other' }])
  const waiting: (Response | Promise<Response>)[] = []
  await inTransaction(url, async (reader) => {
    // As who must know that all labels up to an id are committed.
    await reader.query(`SELECT pg_advisory_xact_lock(hashtext('weir.labels'))`)
    waiting.push(put('T', { new_status: 'FRAUD' }))
    await untilWaiting(url, 1)
    assert.equal((await put('other', { new_status: 'INVESTIGATED' })).status, 200)
    assert.equal(await statusOf('T'), 'NEW')
    await reader.query('COMMIT')
  })
  assert.equal((await waiting[0]).status, 200)
  assert.equal(await lastWord(url), true)
})

test('of several who decide at once, the label that counts is the status that is left', async (t) => {
  const { put, statusOf, url, audit } = await open(t, [T])
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      ['FRAUD', 'DISMISSED', 'FRAUD', 'DISMISSED'].map((new_status) => put('T', { new_status })),
    )
    assert.equal(await lastWord(url), (await statusOf('T')) === 'FRAUD', `round ${round}`)
  }
  assert.equal((await labelsOf(url)).length, (await audit()).length)
})
