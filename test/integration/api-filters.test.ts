import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'
import { insertAnomalies } from './queue-rows.ts'

const LONG = 'x'.repeat(64)

test('the queue is filtered by what is asked for, all of it together', async (t) => {
  const { call, url } = await open(t, [], { env: { RATE_LIMIT_READ: '1000' } })
  await insertAnomalies(url, [
    { id: 'a', account: 'ACC-2', merchant: null, category: '', amount: '10.0000', codes: ['MODEL'] },
    { id: 'b', merchant: `${LONG}1`, category: `${LONG}1`, codes: ['HIGH_AMOUNT', 'MODEL'] },
    { id: 'c', merchant: `${LONG}2`, category: `${LONG}2`, time: '2026-11-25T00:00:00.000Z', codes: [] },
    { id: 'd', merchant: 'mM', category: 'Grocery', amount: '10.0001', time: '2026-11-23T23:59:59.999Z' },
    { id: 'e', account: 'é, 1', merchant: 'M', status: null, amount: '999999999.9999' },
  ])
  const list = async (parameters: Record<string, string>) => {
    const answer = await call('GET', `${ANOMALIES}?${new URLSearchParams(parameters)}`)
    assert.equal(answer.status, 200, JSON.stringify(parameters))
    return (await json(answer)).data.map((item: { transaction_id: string }) => item.transaction_id).sort()
  }
  assert.deepEqual(await list({ account: 'ACC-2' }), ['a'])
  assert.deepEqual(await list({ account: 'é, 1' }), ['e'])
  assert.deepEqual(await list({ account: 'CC-2' }), [])
  assert.deepEqual(await list({ merchant: 'M' }), ['e'])
  assert.deepEqual(await list({ merchant: `${LONG}1` }), ['b'])
  assert.deepEqual(await list({ merchant: LONG }), [])
  assert.deepEqual(await list({ category: '' }), ['a'])
  assert.deepEqual(await list({ category: `${LONG}2` }), ['c'])
  assert.deepEqual(await list({ category: 'Grocery' }), ['d', 'e'])
  assert.deepEqual(await list({ reason: 'MODEL' }), ['a', 'b'])
  assert.deepEqual(await list({ reason: 'HIGH_AMOUNT' }), ['b', 'd', 'e'])
  assert.deepEqual(await list({ reason: 'MODEL', category: `${LONG}1` }), ['b'])
  assert.deepEqual(await list({ reason: 'MODEL', category: `${LONG}2` }), [])
  assert.deepEqual(await list({ from: '2026-11-24T09:30:00.000Z', to: '2026-11-25T00:00:00.000Z' }), [
    'a',
    'b',
    'e',
  ])
  assert.deepEqual(await list({ from: '2026-11-25T00:00:00.000Z' }), ['c'])
  assert.deepEqual(await list({ to: '2026-11-24T05:29:59.999+05:30' }), [])
  assert.deepEqual(await list({ to: '2026-11-24T05:30:00+05:30' }), ['d'])
  assert.deepEqual(await list({ min_amount: '10.0001', max_amount: '12.34' }), ['b', 'c', 'd'])
  assert.deepEqual(await list({ max_amount: '10' }), ['a'])
  assert.deepEqual(await list({ min_amount: '999999999.9999' }), ['e'])
  assert.deepEqual(await list({ status: 'NEW' }), ['a', 'b', 'c', 'd', 'e'])
  assert.deepEqual(await list({ nonsense: '1' }), ['a', 'b', 'c', 'd', 'e'])
})

test('invalid filters are told by name', async (t) => {
  const { call } = await open(t, [])
  const wrong = {
    account: '',
    merchant: 'a\0b',
    category: 'x'.repeat(201),
    reason: 'x'.repeat(65),
    from: '2026-11-24',
    to: 'now',
    min_amount: '-1',
    max_amount: '1e3',
    order: 'amount',
    cursor: '!',
    status: 'NEW,',
  }
  const problem = await json(call('GET', `${ANOMALIES}?${new URLSearchParams(wrong)}`))
  assert.deepEqual(
    [...new Set(problem.errors.map((e: { parameter: string }) => e.parameter))].sort(),
    Object.keys(wrong).sort(),
  )
})

test('by expected loss: score x amount, exact to four decimals, whatever the amounts are', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(url, [
    { id: 'sure', score: 1, amount: '10.0000' },
    { id: 'big', score: 0.7, amount: '999999999.9999' },
    { id: 'almost', score: 0.7, amount: '999999999.9997' },
    { id: 'nothing', score: 1, amount: '0.0000' },
  ])
  const { data } = await json(call('GET', `${ANOMALIES}?order=loss`))
  assert.deepEqual(
    data.map((item: { transaction_id: string }) => item.transaction_id),
    ['big', 'almost', 'sure', 'nothing'],
  )
})

test('one anomaly tells what was normal, the account’s earlier anomalies and who decided', async (t) => {
  const { call, url, put } = await open(t, [{ id: 'usual', account: 'ACC-1', score: 0.1 }])
  const features = { usual_amount: 50.5, account_mean: 61, deviation: null, account_count: 12, home: 'Oulu' }
  await insertAnomalies(url, [
    { id: 'T', time: '2026-11-24T09:30:00.500Z', features },
    { id: 'same time', time: '2026-11-24T09:30:00.500Z' },
    { id: 'later', time: '2026-11-24T09:30:00.501Z' },
    { id: 'other', account: 'ACC-2', time: '2026-11-01T09:30:00.000Z' },
    ...Array.from({ length: 11 }, (_, i) => ({
      id: `e${i}`,
      time: `2026-${10 + (i % 2)}-0${1 + Math.floor(i / 2)}T00:00:00.000Z`,
    })),
  ])
  await put('T', { new_status: 'FRAUD', note: 'Called' })
  await put('T', { new_status: 'NEW' })
  const one = await json(call('GET', `${ANOMALIES}/T`))
  assert.deepEqual(one.normal, {
    usual_amount: 50.5,
    mean: 61,
    deviation: null,
    transactions: 12,
    amount_ratio: null,
    mean_30d: null,
    std_30d: null,
    home: 'Oulu',
  })
  assert.deepEqual(
    one.earlier_anomalies.map((item: { transaction_id: string }) => item.transaction_id),
    ['e9', 'e7', 'e5', 'e3', 'e1', 'e10', 'e8', 'e6', 'e4', 'e2'],
  )
  assert.equal(one.earlier_anomalies[0].amount, '12.3400')
  assert.deepEqual(
    one.audit.map((entry: Record<string, string>) => [entry.previous_status, entry.new_status, entry.note]),
    [
      ['FRAUD', 'NEW', null],
      ['NEW', 'FRAUD', 'Called'],
    ],
  )
})

test('merchants and categories of any length can be stored, and found', async (t) => {
  const { call, url } = await open(t, [])
  // Random, so that no compression makes it fit into an index.
  const huge = randomBytes(100_000).toString('base64')
  await insertAnomalies(url, [{ id: 'T', merchant: huge, category: huge, codes: ['MODEL', huge] }])
  const found = await json(call('GET', `${ANOMALIES}?reason=MODEL`))
  assert.equal(found.data[0].merchant_id, huge)
})

test('a filter finds the same whether its terms are rare or not', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(
    url,
    Array.from({ length: 2200 }, (_, i) => ({
      id: `T${String(i).padStart(4, '0')}`,
      category: 'Fuel',
      codes: i % 2 === 0 ? ['MODEL', 'HIGH_AMOUNT'] : ['HIGH_AMOUNT'],
      status: i < 2195 ? 'DISMISSED' : 'NEW',
    })),
  )
  const list = async (parameters: string) =>
    (await json(call('GET', `${ANOMALIES}?status=NEW&${parameters}`))).data.map(
      (item: { transaction_id: string }) => item.transaction_id,
    )
  const common = await list('category=Fuel&reason=HIGH_AMOUNT')
  assert.deepEqual(common, ['T2195', 'T2196', 'T2197', 'T2198', 'T2199'])
  const rare = await list('category=Fuel&reason=MODEL')
  assert.deepEqual(rare, ['T2196', 'T2198'])
})
