import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKey } from '../../api/auth/key-changes.ts'
import { query } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, JSON_TYPE, open } from './api-rows.ts'
import { connectedQuery } from './queries.ts'
import { insertAnomalies } from './queue-rows.ts'

/** What would end a literal or a statement, match everything, or be a parameter, were it part of a statement. */
const HOSTILE = [
  `' OR true --`,
  `'; DROP TABLE transactions CASCADE; --`,
  `\\'; SELECT pg_sleep(30); --`,
  `") OR true --`,
  `'||(SELECT version())||'`,
  '%',
  '_',
  '$1',
  '{"a"}',
  `E'\\x27`,
]

test('what callers send is a value to the database, never a part of a statement', async (t) => {
  const env = { RATE_LIMIT_READ: '1000', RATE_LIMIT_WRITE: '1000' }
  const { call, put, url, audit } = await open(t, [], { env })
  await insertAnomalies(url, [
    { id: 'plain' },
    ...HOSTILE.map((text) => ({ id: text, account: text, merchant: text, category: text, codes: [text] })),
  ])
  const idsOf = async (path: string) => {
    const answer = await call('GET', path)
    assert.equal(answer.status, 200, path)
    return (await json(answer)).data.map((item: { transaction_id: string }) => item.transaction_id)
  }
  for (const text of HOSTILE) {
    for (const parameter of ['account', 'merchant', 'category', 'reason'])
      assert.deepEqual(await idsOf(`${ANOMALIES}?${new URLSearchParams({ [parameter]: text })}`), [text])
    const part = encodeURIComponent(text)
    assert.equal((await json(call('GET', `${ANOMALIES}/${part}`))).transaction_id, text)
    assert.deepEqual(await idsOf(`/api/v1/accounts/${part}/transactions`), [text])
    assert.equal((await put(part, { new_status: 'FRAUD', note: text })).status, 200)
    assert.equal((await audit()).at(-1)?.note, text)
    // And what nobody has.
    assert.deepEqual(await idsOf(`${ANOMALIES}?${new URLSearchParams({ account: `x${text}` })}`), [])
    assert.equal((await call('GET', `${ANOMALIES}/x${part}`)).status, 404)
  }
  const body = JSON.stringify({ transaction_ids: HOSTILE, new_status: 'DISMISSED', note: HOSTILE[1] })
  assert.equal((await call('POST', `${ANOMALIES}/status`, JSON_TYPE, body)).status, 200)
  const [{ rows, dismissed }] = await query<{ rows: number; dismissed: number }>(
    url,
    `SELECT count(*) AS rows, count(*) FILTER (WHERE status = 'DISMISSED') AS dismissed FROM transactions`,
  )
  assert.deepEqual({ rows, dismissed }, { rows: HOSTILE.length + 1, dismissed: HOSTILE.length })
})

test('names of keys are values, too', async (t) => {
  const { url } = await open(t, [])
  const run = await connectedQuery(t, url)
  for (const name of HOSTILE) await createKey(run, { name, scopes: ['read'], expires_at: null }, name)
  const made = await query<{ name: string; created_by: string }>(
    url,
    'SELECT name, created_by FROM api_keys ORDER BY created_at',
  )
  assert.deepEqual(
    made,
    HOSTILE.map((name) => ({ name, created_by: name })),
  )
})
