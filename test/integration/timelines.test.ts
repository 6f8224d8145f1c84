import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NEWEST, TIMELINE } from '../../api/sql/accounts.ts'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { open } from './api-rows.ts'

type Call = Awaited<ReturnType<typeof open>>['call']

async function timeline(call: Call, account: string, limit = 1000): Promise<string[]> {
  const answer = await call('GET', `/api/v1/accounts/${account}/transactions?limit=${limit}`)
  assert.equal(answer.status, 200)
  return (await json(answer)).data.map((item: { transaction_id: string }) => item.transaction_id)
}

/** Pages of PostgreSQL's that a timeline looks at: what it costs, however fast the machine is. */
async function pagesOf(url: string, account: string, limit: number): Promise<number> {
  const [row] = await query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
    url,
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${TIMELINE}`,
    [account, limit, NEWEST.exact_time, NEWEST.transaction_id],
  )
  const { Plan } = row['QUERY PLAN'][0]
  return Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']
}

test('a single row dated years ahead or back does not make the timelines slow', async (t) => {
  const { call, url } = await open(t, [
    { id: 'ahead', account: 'stray', time: '2199-12-31T13:00:00.000Z' },
    { id: 'new', time: '2026-11-24T09:00:00.000Z' },
    { id: 'old', time: '2026-10-01T09:00:00.000Z' },
    { id: 'back', account: 'stray', time: '1990-01-01T05:00:00.000Z' },
  ])
  assert.deepEqual(await timeline(call, 'ACC-1'), ['new', 'old'])
  assert.deepEqual(await timeline(call, 'stray'), ['ahead', 'back'])
  assert.deepEqual(await timeline(call, 'nobody'), [])
  // From the one to the other there are 300,000 quarters of a day.
  for (const account of ['ACC-1', 'stray', 'nobody'])
    assert.ok((await pagesOf(url, account, 1000)) < 100, account)
})

test('a timeline that has enough reads no further back', async (t) => {
  const { url } = await open(t, [
    { id: 'new', time: '2026-11-24T09:00:00.000Z' },
    { id: 'old', time: '2026-07-01T09:00:00.000Z' },
  ])
  await query(url, `SELECT ensure_transactions_partition(m::timestamptz) FROM unnest($1::text[]) m`, [
    ['2026-08-01Z', '2026-09-01Z', '2026-10-01Z'],
  ])
  // Others have a row in each quarter of a day.
  await query(
    url,
    `INSERT INTO transactions
     SELECT 'other-' || i, 'ACC-2', '2026-07-01 00:00Z'::timestamptz + i * interval '6 hours', 1, 'EUR', NULL, '', '', 'ATM',
       NULL, 0.1, FALSE, NULL, NULL, NULL, NULL, 'rules-1', 'model-1', 0, i FROM generate_series(0, 585) i`,
  )
  assert.ok((await pagesOf(url, 'ACC-1', 1)) < 50)
  // It does look at each quarter when it must.
  assert.ok((await pagesOf(url, 'ACC-1', 2)) > 585)
})

test('a timeline’s order and its limit are right across the borders of months and quarters', async (t) => {
  const at = [
    ['2026-09-01T00:00:00.000Z', '2026-08-31T23:59:59.999Z', '2026-08-31T18:00:00.000Z'],
    ['2026-12-01T00:00:00.000Z', '2026-11-30T23:59:59.999Z', '2026-11-30T18:29:59.999Z'], // a month's end in Kolkata
    ['2028-03-01T00:00:00.000Z', '2028-02-29T23:59:59.999Z', '2028-02-29T00:00:00.000Z'],
    ['2027-01-01T05:59:59.999Z', '2027-01-01T06:00:00.000Z', '2027-01-31T12:00:00.000Z'],
  ].flat()
  const mine = at.flatMap((time, i) => [
    { id: `b${i}`, time },
    { id: `a${i}`, time },
  ])
  const { call } = await open(t, [...mine, ...at.map((time, i) => ({ id: `o${i}`, account: 'other', time }))])
  const expected = mine
    .sort((x, y) => (x.time === y.time ? (x.id < y.id ? -1 : 1) : x.time < y.time ? 1 : -1))
    .map(({ id }) => id)
  for (let limit = 1; limit <= expected.length; limit++)
    assert.deepEqual(await timeline(call, 'ACC-1', limit), expected.slice(0, limit))
})

test('a month that was detached is not in a timeline, the months before it are', async (t) => {
  const { call, url } = await open(t, [
    { id: 'september', time: '2026-09-24T09:00:00.000Z' },
    { id: 'october', time: '2026-10-24T09:00:00.000Z' },
    { id: 'november', time: '2026-11-24T09:00:00.000Z' },
  ])
  await query(url, 'ALTER TABLE transactions DETACH PARTITION transactions_2026_10')
  assert.deepEqual(await timeline(call, 'ACC-1'), ['november', 'september'])
  await query(url, 'ALTER TABLE transactions DETACH PARTITION transactions_2026_11')
  assert.deepEqual(await timeline(call, 'ACC-1'), ['september'])
})

test('a timeline of a table without rows, or without months, is empty', async (t) => {
  const { call, url } = await open(t, [])
  assert.deepEqual(await timeline(call, 'ACC-1'), [])
  await query(url, `SELECT ensure_transactions_partition('2026-11-01Z')`)
  assert.deepEqual(await timeline(call, 'ACC-1'), [])
})

test('of two accounts with the same hash, by which the index knows them, each has its own timeline', async (t) => {
  const { call, url } = await open(t, [
    { id: 'one', account: 'ACC-48312' },
    { id: 'two', account: 'ACC-74882' },
  ])
  const [{ same }] = await query<{ same: boolean }>(
    url,
    `SELECT hashtext('ACC-48312') = hashtext('ACC-74882') AS same`,
  )
  assert.ok(same)
  assert.deepEqual(await timeline(call, 'ACC-48312', 1), ['one'])
  assert.deepEqual(await timeline(call, 'ACC-74882', 1), ['two'])
})
