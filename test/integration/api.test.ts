import assert from 'node:assert/strict'
import { test } from 'node:test'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { insert, open } from './api-rows.ts'

const ids = (body: { data: { transaction_id: string }[] }) => body.data.map((item) => item.transaction_id)

test('the queue is the riskiest first, then who has waited longest, then the id; nothing but anomalies', async (t) => {
  const { call } = await open(t, [
    { id: 'low', score: 0.7 },
    { id: 'late', score: 0.9, time: '2026-11-24T10:00:00.000Z' },
    { id: 'b', score: 0.9 },
    { id: 'a', score: 0.9 },
    { id: 'month-before', score: 0.9, time: '2026-10-31T23:00:00.000Z' },
    { id: 'normal', score: 0.69 },
    { id: 'top', score: 1 },
  ])
  const body = await json(call('GET', '/api/v1/anomalies'))
  assert.deepEqual(ids(body), ['top', 'month-before', 'a', 'b', 'late', 'low'])
  assert.equal(body.count, 6)
  assert.equal(body.next_cursor, null)
  const page = await json(call('GET', '/api/v1/anomalies?limit=2&offset=1'))
  assert.deepEqual(ids(page), ['month-before', 'a'])
  assert.equal(page.count, 2)
})

test('an item has the columns as keys, exact amounts, and times in UTC whatever the database thinks', async (t) => {
  const { call, url } = await open(t, [])
  const database = new URL(url).pathname.slice(1)
  await query(url, `ALTER DATABASE ${database} SET datestyle = 'German'`)
  await insert(url, [{ id: 'T', amount: '123456789.0001', time: '2026-11-24T22:30:00.007Z' }])
  const { data } = await json(call('GET', '/api/v1/anomalies'))
  const expected = {
    transaction_id: 'T',
    account_id: 'ACC-1',
    timestamp: '2026-11-24T22:30:00.007Z',
    amount: '123456789.0001',
    currency: 'EUR',
    merchant_id: 'M-1',
    merchant_category: 'Grocery',
    location: 'Paris, FR',
    channel: 'ATM',
    is_fraud: null,
    score: 0.8,
    is_anomaly: true,
    alert_reason: 'HIGH_AMOUNT',
    reasons: [{ code: 'HIGH_AMOUNT', score: 0.8, message: 'The amount is high.' }],
    features: { amount: 12.34, deviation: null },
    status: 'NEW',
    rules_version: 'rules-1',
    model_version: 'model-1',
    kafka_partition: 3,
    kafka_offset: 42,
  }
  assert.deepEqual(data, [expected])
  const one = await json(call('GET', '/api/v1/anomalies/T?timestamp=2026-11-24T23:30:00.007%2B01:00'))
  const { normal, earlier_anomalies, audit, ...item } = one
  assert.deepEqual(item, expected)
  assert.deepEqual([normal.mean, earlier_anomalies, audit], [null, [], []])
})

test('the queue is filtered by least score and by statuses, repeated or by commas', async (t) => {
  const { call } = await open(t, [
    { id: 'n', score: 0.9 },
    { id: 'i', score: 0.95, status: 'INVESTIGATED' },
    { id: 'f', score: 0.8, status: 'FRAUD' },
    { id: 'd', score: 0.75, status: 'DISMISSED' },
  ])
  const list = async (parameters: string) => ids(await json(call('GET', `/api/v1/anomalies?${parameters}`)))
  // 0.9 as a real is below 0.9 as a double.
  assert.deepEqual(await list('min_score=0.9'), ['i', 'n'])
  assert.deepEqual(await list('min_score=1e-50'), ['i', 'n', 'f', 'd'])
  assert.deepEqual(await list('status=NEW'), ['n'])
  assert.deepEqual(await list('status=NEW,FRAUD'), ['n', 'f'])
  assert.deepEqual(await list('status=NEW&status=DISMISSED&min_score=0.75'), ['n', 'd'])
})

test('one anomaly is the newest of its id, or the one at a time; what is none is 404', async (t) => {
  const { call } = await open(t, [
    { id: 'T', amount: '1', time: '2026-11-23T09:00:00.000Z' },
    { id: 'T', amount: '2', time: '2026-11-24T09:00:00.000Z' },
    { id: 'T', amount: '3', time: '2026-11-24T10:00:00.000Z', score: 0.1 },
    { id: 'a/b?ü', amount: '4' },
    { id: 'normal', score: 0.1 },
  ])
  const amount = async (path: string) => (await json(call('GET', `/api/v1/anomalies/${path}`))).amount
  assert.equal(await amount('T'), '2.0000')
  assert.equal(await amount('T?timestamp=2026-11-23T09:00:00Z'), '1.0000')
  assert.equal(await amount(encodeURIComponent('a/b?ü')), '4.0000')
  for (const path of [
    'normal',
    'unknown',
    'T?timestamp=2026-11-24T10:00:00Z',
    'T?timestamp=2020-01-01T00:00:00Z',
  ]) {
    const answer = await call('GET', `/api/v1/anomalies/${path}`)
    assert.equal(answer.status, 404, path)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  }
})

test('an account’s timeline is all of its transactions, newest first', async (t) => {
  const { call } = await open(t, [
    { id: 'old', score: 0.1, time: '2026-10-01T09:00:00.000Z' },
    { id: 'new', time: '2026-11-24T09:00:00.000Z' },
    { id: 'quarter', time: '2026-11-24T06:00:00.000Z' },
    { id: 'b', time: '2026-11-24T05:59:59.999Z' },
    { id: 'a', time: '2026-11-24T05:59:59.999Z' },
    { id: 'other', account: 'ACC-2' },
  ])
  const body = await json(call('GET', '/api/v1/accounts/ACC-1/transactions'))
  assert.deepEqual(ids(body), ['new', 'quarter', 'a', 'b', 'old'])
  assert.equal(body.count, 5)
  assert.equal(body.data[4].status, null)
  assert.deepEqual(ids(await json(call('GET', '/api/v1/accounts/ACC-1/transactions?limit=1'))), ['new'])
  const three = await json(call('GET', '/api/v1/accounts/ACC-1/transactions?limit=3'))
  assert.deepEqual(ids(three), ['new', 'quarter', 'a'])
  assert.deepEqual(ids(await json(call('GET', '/api/v1/accounts/nobody/transactions'))), [])
})

test('a change of status is told and audited; the same again changes nothing', async (t) => {
  const { put, statusOf, audit, call } = await open(t, [{ id: 'T', time: '2026-11-24T09:30:00.123Z' }])
  const answer = await put('T', { new_status: 'FRAUD', note: 'Called: “not me”' }, { 'X-Request-Id': 'r-1' })
  assert.equal(answer.status, 200)
  assert.deepEqual(await json(answer), {
    transaction_id: 'T',
    new_status: 'FRAUD',
    message: 'The status was changed from NEW to FRAUD.',
  })
  const again = await put('T', { new_status: 'FRAUD' })
  assert.equal(again.status, 200)
  assert.match((await json(again)).message, /already/)
  assert.equal(await statusOf('T'), 'FRAUD')
  const one = await call('GET', '/api/v1/anomalies/T')
  assert.equal(one.headers.get('etag'), answer.headers.get('etag'))
  const [entry, ...others] = await audit()
  assert.equal(others.length, 0)
  assert.deepEqual(
    { ...entry, id: 0, changed_at: 0 },
    {
      id: 0,
      transaction_id: 'T',
      timestamp: new Date('2026-11-24T09:30:00.123Z'),
      previous_status: 'NEW',
      new_status: 'FRAUD',
      note: 'Called: “not me”',
      actor: 'API_KEY',
      request_id: 'r-1',
      changed_at: 0,
    },
  )
  assert.equal((await put('unknown', { new_status: 'FRAUD' })).status, 404)
})

test('?timestamp says which of several event times is changed', async (t) => {
  const { put, url } = await open(t, [
    { id: 'T', time: '2026-11-23T09:00:00.000Z' },
    { id: 'T', time: '2026-11-24T09:00:00.000Z' },
  ])
  await put('T?timestamp=2026-11-23T09:00:00.000Z', { new_status: 'DISMISSED' })
  await put('T', { new_status: 'FRAUD' })
  const rows = await query<{ status: string }>(url, 'SELECT status FROM transactions ORDER BY timestamp')
  assert.deepEqual(
    rows.map((r) => r.status),
    ['DISMISSED', 'FRAUD'],
  )
})

test('when the audit cannot be written the status stays', async (t) => {
  const { put, statusOf, url, audit } = await open(t, [{ id: 'T' }])
  await query(url, `ALTER TABLE status_audit ADD CHECK (new_status <> 'FRAUD')`)
  const answer = await put('T', { new_status: 'FRAUD' })
  assert.equal(answer.status, 500)
  assert.doesNotMatch(await answer.text(), /status_audit|constraint|INSERT|at /)
  assert.equal(await statusOf('T'), 'NEW')
  assert.deepEqual(await audit(), [])
  assert.equal((await put('T', { new_status: 'DISMISSED' })).status, 200)
})

test('If-Match refuses a change of what the caller has not seen', async (t) => {
  const { put, call, statusOf } = await open(t, [{ id: 'T' }])
  const seen = (await call('GET', '/api/v1/anomalies/T')).headers.get('etag')!
  assert.match(seen, /^"\d+"$/)
  await put('T', { new_status: 'FRAUD' })
  await put('T', { new_status: 'NEW' })
  const late = await put('T', { new_status: 'DISMISSED' }, { 'If-Match': seen })
  assert.equal(late.status, 409)
  assert.match((await json(late)).detail, /its status is NEW/)
  assert.equal(await statusOf('T'), 'NEW')
  const now = (await call('GET', '/api/v1/anomalies/T')).headers.get('etag')!
  assert.equal((await put('T', { new_status: 'FRAUD' }, { 'If-Match': `"1", W/${now}` })).status, 200)
  assert.equal((await put('T', { new_status: 'NEW' }, { 'If-Match': '*' })).status, 200)
})

test('of two analysts at once with the same version one wins, and one change is audited', async (t) => {
  const { put, call, statusOf, audit } = await open(t, [{ id: 'T' }])
  for (let round = 0; round < 10; round++) {
    const etag = (await call('GET', '/api/v1/anomalies/T')).headers.get('etag')!
    const before = await statusOf('T')
    const wanted = ['INVESTIGATED', 'FRAUD', 'DISMISSED'].filter((s) => s !== before).slice(0, 2)
    const answers = await Promise.all(
      wanted.map((new_status) => put('T', { new_status }, { 'If-Match': etag })),
    )
    const statuses = answers.map((a) => a.status)
    assert.deepEqual([...statuses].sort(), [200, 409])
    assert.equal(await statusOf('T'), wanted[statuses.indexOf(200)])
  }
  const entries = await audit()
  assert.equal(entries.length, 10)
  for (let i = 1; i < 10; i++) assert.equal(entries[i].previous_status, entries[i - 1].new_status)
})

test('two analysts at once without a version: both changes happen, one after the other', async (t) => {
  const { put, audit } = await open(t, [{ id: 'T' }])
  const answers = await Promise.all(['FRAUD', 'DISMISSED'].map((new_status) => put('T', { new_status })))
  assert.deepEqual(
    answers.map((a) => a.status),
    [200, 200],
  )
  const [first, second] = await audit()
  assert.equal(first.previous_status, 'NEW')
  assert.equal(second.previous_status, first.new_status)
})
