import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'

const nul = '%00'
const tooLong = 'x'.repeat(65)
const big = JSON.stringify({ new_status: 'FRAUD', note: 'x'.repeat(70_000) })
const wrongCalls: [string, string, string, number, string?, string?][] = [
  ['limit 0', 'GET', `${ANOMALIES}?limit=0`, 422],
  ['limit 1001', 'GET', `${ANOMALIES}?limit=1001`, 422],
  ['a limit that is no integer', 'GET', `${ANOMALIES}?limit=1e1`, 422],
  ['an empty limit', 'GET', `${ANOMALIES}?limit=`, 422],
  ['a limit given twice', 'GET', `${ANOMALIES}?limit=1&limit=2`, 422],
  ['a negative offset', 'GET', `${ANOMALIES}?offset=-1`, 422],
  ['an endless offset', 'GET', `${ANOMALIES}?offset=99999999999999999999`, 422],
  ['a score above 1', 'GET', `${ANOMALIES}?min_score=1.1`, 422],
  ['a score that is no number', 'GET', `${ANOMALIES}?min_score=NaN`, 422],
  ['an unknown status', 'GET', `${ANOMALIES}?status=NEW,OPEN`, 422],
  ['a status with NUL', 'GET', `${ANOMALIES}?status=NEW${nul}`, 422],
  ['an id with NUL', 'GET', `${ANOMALIES}/a${nul}b`, 422],
  ['an id that is too long', 'GET', `${ANOMALIES}/${tooLong}`, 422],
  ['an id that is no UTF-8', 'GET', `${ANOMALIES}/%ff`, 404],
  ['an account with NUL', 'GET', `/api/v1/accounts/a${nul}/transactions`, 422],
  ['an account that is too long', 'GET', `/api/v1/accounts/${tooLong}/transactions`, 422],
  ['a time without a zone', 'GET', `${ANOMALIES}/T?timestamp=2026-11-24T09:30:00`, 422],
  ['a time with NUL', 'GET', `${ANOMALIES}/T?timestamp=${nul}`, 422],
  ['a time in the year 0', 'GET', `${ANOMALIES}/T?timestamp=0000-01-01T00:00:00Z`, 422],
  ['a time in the last year', 'GET', `${ANOMALIES}/T?timestamp=9999-12-31T23:59:59Z`, 404],
  ['a body that is no JSON', 'PUT', `${ANOMALIES}/T`, 400, '{"new_status":'],
  ['no body', 'PUT', `${ANOMALIES}/T`, 400],
  [
    'a body of another type',
    'PUT',
    `${ANOMALIES}/T`,
    415,
    'new_status=FRAUD',
    'application/x-www-form-urlencoded',
  ],
  ['a body without a type', 'PUT', `${ANOMALIES}/T`, 415, '{"new_status":"FRAUD"}', ''],
  ['a body that is too large', 'PUT', `${ANOMALIES}/T`, 413, big],
  ['an unknown new status', 'PUT', `${ANOMALIES}/T`, 422, '{"new_status":"OPEN"}'],
  ['a status in small letters', 'PUT', `${ANOMALIES}/T`, 422, '{"new_status":"fraud"}'],
  ['no new status', 'PUT', `${ANOMALIES}/T`, 422, '{}'],
  ['a list', 'PUT', `${ANOMALIES}/T`, 422, '[]'],
  ['null', 'PUT', `${ANOMALIES}/T`, 422, 'null'],
  ['a misspelt member', 'PUT', `${ANOMALIES}/T`, 422, '{"new_status":"FRAUD","notes":"x"}'],
  ['a note with NUL', 'PUT', `${ANOMALIES}/T`, 422, '{"new_status":"FRAUD","note":"a\\u0000b"}'],
  ['a note that is no text', 'PUT', `${ANOMALIES}/T`, 422, '{"new_status":"FRAUD","note":1}'],
  [
    'a note that is too long',
    'PUT',
    `${ANOMALIES}/T`,
    422,
    JSON.stringify({ new_status: 'FRAUD', note: 'x'.repeat(2001) }),
  ],
  ['an unknown id', 'PUT', `${ANOMALIES}/unknown`, 404, '{"new_status":"FRAUD"}'],
  ['an id with NUL', 'PUT', `${ANOMALIES}/${nul}`, 422, '{"new_status":"FRAUD"}'],
  ['an unknown address', 'GET', '/api/v2/anomalies', 404],
  ['a wrong method', 'POST', ANOMALIES, 405, '{}'],
]

test('what is wrong with a call is told as a problem and changes nothing', async (t) => {
  const { call, statusOf, audit } = await open(t, [{ id: 'T' }], { env: { RATE_LIMIT_WRITE: '100' } })
  for (const [what, method, path, status, body, type = 'application/json'] of wrongCalls) {
    await t.test(`${method} with ${what} gets ${status}`, async () => {
      const headers: Record<string, string> = type === '' ? {} : { 'Content-Type': type }
      const answer = await call(method, path, headers, type === '' ? new Blob([body!]) : body)
      assert.equal(answer.status, status)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      const problem = await json(answer)
      assert.equal(problem.status, status)
      assert.deepEqual(Object.keys(problem).slice(0, 6), [
        'type',
        'title',
        'status',
        'detail',
        'instance',
        'request_id',
      ])
      if (status === 422) assert.ok(problem.errors[0].detail)
    })
  }
  assert.equal(await statusOf('T'), 'NEW')
  assert.deepEqual(await audit(), [])
})

test('a 422 names each invalid value', async (t) => {
  const { call, put } = await open(t, [])
  const list = await json(call('GET', `${ANOMALIES}?limit=0&min_score=2`))
  assert.deepEqual(list.errors.map((e: { parameter: string }) => e.parameter).sort(), ['limit', 'min_score'])
  const body = await json(put('T', { new_status: 'OPEN', notes: 'x' }))
  assert.deepEqual(body.errors.map((e: { pointer: string }) => e.pointer).sort(), ['#/new_status', '#/notes'])
})

test('the methods of a written-out path are its own, whatever an id may do', async (t) => {
  const { call } = await open(t, [])
  const allowed = async (path: string) => (await call('DELETE', `${ANOMALIES}/${path}`)).headers.get('allow')
  assert.equal(await allowed('export'), 'GET, HEAD')
  assert.equal(await allowed('status'), 'POST')
  assert.equal(await allowed('T'), 'GET, HEAD, PUT')
})

test('a problem’s instance is a reference to a URI', async (t) => {
  const { call } = await open(t, [])
  const path = `${ANOMALIES}/${encodeURIComponent('é \u0001"')}`
  assert.equal((await json(call('GET', path))).instance, path)
})
