import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, testApp } from './api-app.ts'

async function faultsOf(body: object) {
  const { call } = testApp()
  const headers = { 'Content-Type': 'application/json' }
  const answer = await call('PUT', '/api/v1/anomalies/T', headers, JSON.stringify(body))
  assert.equal(answer.status, 422)
  return json(answer)
}

test('a member that is not known is named, without control characters and not beyond a hundred of its own', async () => {
  const { errors } = await faultsOf({
    new_status: 'FRAUD',
    'a/b~c': 1,
    'x\0\u001b[2J': 1,
    ['😀'.repeat(150)]: 1,
    '\ud83d': 1,
  })
  const pointers = errors.map(({ pointer }: { pointer: string }) => pointer)
  assert.deepEqual(pointers, ['#/a~1b~0c', '#/x\\u0000\\u001b[2J', `#/${'😀'.repeat(100)}…`, '#/\\ud83d'])
})

test('of many faults the first hundred are told, and how many there are', async () => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`m${i}`, 1]))
  const { errors, detail } = await faultsOf({ new_status: 'FRAUD', ...many })
  assert.equal(errors.length, 100)
  assert.match(detail, /^m0: is not a known member; .*; and 4900 more$/)
})
