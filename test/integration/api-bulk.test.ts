import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withClient } from '../../schemas/database.ts'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, JSON_TYPE, open } from './api-rows.ts'
import { untilWaiting } from './queries.ts'
import { insertAnomalies } from './queue-rows.ts'

async function openQueue(...[t, rows, options]: Parameters<typeof open>) {
  const app = await open(t, rows, { env: { RATE_LIMIT_WRITE: '1000' }, ...options })
  const bulk = (body: unknown) => app.call('POST', `${ANOMALIES}/status`, JSON_TYPE, JSON.stringify(body))
  const statuses = async () =>
    (
      await query<{ status: string }>(
        app.url,
        'SELECT status FROM transactions ORDER BY transaction_id, timestamp',
      )
    ).map(({ status }) => status)
  const versionOf = async (id: string) =>
    (await app.call('GET', `${ANOMALIES}/${id}`)).headers.get('etag')!.replaceAll('"', '')
  return { ...app, bulk, statuses, versionOf }
}

test('many are changed at once, each audited and labelled, in the order of the call', async (t) => {
  const { bulk, statuses, audit, url, versionOf } = await openQueue(t, [
    { id: 'a' },
    { id: 'b', status: 'FRAUD' },
    { id: 'c', time: '2026-10-24T09:30:00.000Z' },
    { id: 'c', time: '2026-11-24T09:30:00.000Z' },
  ])
  const before = await versionOf('b')
  const answer = await bulk({ transaction_ids: ['c', 'b', 'a'], new_status: 'FRAUD', note: 'A ring' })
  assert.equal(answer.status, 200)
  const body = await json(answer)
  assert.deepEqual(await statuses(), ['FRAUD', 'FRAUD', 'NEW', 'FRAUD'])
  assert.equal(body.count, 3)
  assert.equal(body.changed, 2)
  assert.deepEqual(
    body.data.map((item: Record<string, string>) => [item.transaction_id, item.previous_status]),
    [
      ['c', 'NEW'],
      ['b', 'FRAUD'],
      ['a', 'NEW'],
    ],
  )
  assert.equal(body.data[1].version, before)
  assert.equal(body.data[2].version, await versionOf('a'))
  const entries = await audit()
  assert.deepEqual(entries.map((entry) => entry.transaction_id).sort(), ['a', 'c'])
  assert.ok(entries.every((entry) => entry.note === 'A ring' && entry.actor === 'API_KEY'))
  const labels = await query<{ is_fraud: boolean }>(url, 'SELECT is_fraud FROM labels')
  assert.deepEqual(
    labels.map((label) => label.is_fraud),
    [true, true],
  )
})

test('where one is missing, was changed meanwhile or stands twice nothing is changed, and each is named', async (t) => {
  const { bulk, statuses, audit, versionOf } = await openQueue(t, [
    { id: 'a', time: '2026-11-24T09:30:00.123Z' },
    { id: 'b' },
    { id: 'normal', score: 0.1 },
  ])
  const pointers = async (body: unknown, status: number) => {
    const answer = await bulk(body)
    assert.equal(answer.status, status)
    return (await json(answer)).errors.map((e: { pointer: string }) => e.pointer)
  }
  const missing = { transaction_ids: ['a', 'nobody', 'b', 'normal'], new_status: 'FRAUD' }
  assert.deepEqual(await pointers(missing, 404), ['#/transaction_ids/1', '#/transaction_ids/3'])
  const version = await versionOf('a')
  const stale = {
    items: [
      { transaction_id: 'b', version: '1' },
      { transaction_id: 'a', version },
    ],
  }
  assert.deepEqual(await pointers({ ...stale, new_status: 'FRAUD' }, 409), ['#/items/0'])
  const timestamp = '2026-11-24T09:30:00.123Z'
  const twice = [{ transaction_id: 'a' }, { transaction_id: 'b' }, { transaction_id: 'a', timestamp }]
  assert.deepEqual(await pointers({ items: twice, new_status: 'FRAUD' }, 422), ['#/items/2'])
  const wrongTime = [{ transaction_id: 'a', timestamp: '2026-11-24T09:30:00.124Z' }]
  assert.deepEqual(await pointers({ items: wrongTime, new_status: 'FRAUD' }, 404), ['#/items/0'])
  assert.deepEqual(await statuses(), ['NEW', 'NEW', null])
  assert.deepEqual(await audit(), [])
  assert.equal(
    (await bulk({ items: [{ transaction_id: 'a', version, timestamp }], new_status: 'FRAUD' })).status,
    200,
  )
})

test('when the audit of one cannot be written none is changed', async (t) => {
  const { bulk, statuses, url, audit } = await openQueue(t, [{ id: 'a' }, { id: 'b' }])
  await query(url, `ALTER TABLE status_audit ADD CHECK (transaction_id <> 'b')`)
  assert.equal((await bulk({ transaction_ids: ['a', 'b'], new_status: 'FRAUD' })).status, 500)
  assert.deepEqual(await statuses(), ['NEW', 'NEW'])
  assert.deepEqual(await audit(), [])
})

test('a thousand fit into one call; more, none, both lists and unknown members are refused', async (t) => {
  const { bulk, url, audit } = await openQueue(t, [])
  const ids = Array.from({ length: 1000 }, (_, i) => `${'T'.repeat(58)}-${String(i).padStart(5, '0')}`)
  const timestamp = '2026-11-24T09:30:00.000Z'
  await insertAnomalies(
    url,
    ids.map((id) => ({ id, time: timestamp })),
  )
  const items = ids.map((transaction_id) => ({ transaction_id, timestamp }))
  const answer = await bulk({ items, new_status: 'DISMISSED', note: 'x'.repeat(2000) })
  assert.equal(answer.status, 200)
  assert.equal((await json(answer)).changed, 1000)
  assert.equal((await audit()).length, 1000)
  const new_status = 'NEW'
  const wrong: [unknown, number][] = [
    [{ transaction_ids: [...ids, 'one more'], new_status }, 422],
    [{ transaction_ids: [], new_status }, 422],
    [{ new_status }, 422],
    [{ transaction_ids: ['a'], items: [{ transaction_id: 'a' }], new_status }, 422],
    [{ transaction_ids: ['a'], new_status, notes: 'x' }, 422],
    [{ items: [{ transaction_id: 'a', time: 'x' }], new_status }, 422],
    [{ transaction_ids: ['a\0b'], new_status }, 422],
    [{ transaction_ids: ['a'], new_status, note: 'x'.repeat(300_000) }, 413],
  ]
  for (const [body, status] of wrong)
    assert.equal((await bulk(body)).status, status, JSON.stringify(body).slice(0, 80))
})

test('calls over the same anomalies in other orders wait for each other and all succeed', async (t) => {
  const { bulk, url, put, audit } = await openQueue(t, [])
  const ids = Array.from({ length: 60 }, (_, i) => `T${String(i).padStart(2, '0')}`)
  await insertAnomalies(
    url,
    ids.map((id, i) => ({ id, time: `2026-11-24T09:30:${i % 7}0.000Z`.replace(':60', ':59') })),
  )
  for (let round = 0; round < 5; round++) {
    const orders = [
      ids,
      ids.toReversed(),
      ids.toSorted((a, b) => (a[2] < b[2] ? -1 : 1)),
      ids.slice(20).reverse(),
    ]
    const answers = await Promise.all([
      ...orders.map((transaction_ids, i) =>
        bulk({ transaction_ids, new_status: ['FRAUD', 'NEW', 'DISMISSED'][i % 3] }),
      ),
      ...ids.slice(0, 5).map((id) => put(id, { new_status: 'INVESTIGATED' })),
    ])
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200]))
  }
  const last = new Map<unknown, unknown>()
  for (const entry of await audit()) {
    assert.equal(entry.previous_status, last.get(entry.transaction_id) ?? 'NEW')
    last.set(entry.transaction_id, entry.new_status)
  }
})

test('a change of many waits for somebody else’s change in any month, and misses none', async (t) => {
  const months = ['2026-07', '2026-08', '2026-09', '2026-10', '2026-11']
  const rows = months.flatMap((month, m) =>
    Array.from({ length: 6 }, (_, i) => ({ id: `T-${m}-${i}`, time: `${month}-0${i + 1}T09:30:00.000Z` })),
  )
  const { bulk, url } = await openQueue(t, rows)
  // With so many others PostgreSQL looks single rows up, which is when it would miss some.
  for (const month of months)
    await query(
      url,
      `INSERT INTO transactions
       SELECT 'other-' || i, 'ACC-2', ($1 || '-10')::timestamptz + i * interval '1 minute', 1, 'EUR', NULL, '', '', 'ATM',
         NULL, 0.1, FALSE, NULL, NULL, NULL, NULL, 'rules-1', 'model-1', 0, i FROM generate_series(1, 10000) i`,
      [month],
    )
  await query(url, 'ANALYZE transactions')
  for (const m of months.keys()) {
    let waiting: Response | Promise<Response>
    await withClient({ connectionString: url, application_name: 'weir-test' }, async (client) => {
      await client.query('BEGIN')
      await client.query(`UPDATE transactions SET status = 'INVESTIGATED' WHERE transaction_id = $1`, [
        `T-${m}-3`,
      ])
      const new_status = m % 2 === 0 ? 'FRAUD' : 'DISMISSED'
      waiting = bulk({ transaction_ids: rows.map(({ id }) => id), new_status })
      await untilWaiting(url, 1)
      await client.query('COMMIT')
    })
    const answer = await waiting!
    assert.equal(answer.status, 200, months[m])
    assert.equal((await json(answer)).changed, rows.length)
  }
})
