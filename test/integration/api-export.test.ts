import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'csv-parse/sync'
import { query, until } from '../harness.ts'
import { json } from '../unit/api-app.ts'
import { ANOMALIES, open } from './api-rows.ts'
import { insertAnomalies } from './queue-rows.ts'

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `T${String(i).padStart(5, '0')}`,
    score: i % 3 === 0 ? 0.8 : 0.9,
    status: i % 2 === 0 ? 'NEW' : 'FRAUD',
  }))

test('an export is the whole list of its filter, in its order, as NDJSON and as CSV', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(url, many(1203))
  const filter = 'status=NEW&order=loss'
  const listed = (await json(call('GET', `${ANOMALIES}?${filter}&limit=1000`))).data
  const ndjson = await call('GET', `${ANOMALIES}/export?format=ndjson&${filter}`)
  assert.match(ndjson.headers.get('content-type')!, /^application\/x-ndjson/)
  const lines = (await ndjson.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(lines, listed)
  const csv = await call('GET', `${ANOMALIES}/export?format=csv&${filter}`)
  assert.match(csv.headers.get('content-type')!, /^text\/csv/)
  assert.equal(csv.headers.get('content-disposition'), 'attachment; filename="anomalies.csv"')
  const rows: Record<string, string>[] = parse(await csv.text(), { columns: true, record_delimiter: '\r\n' })
  assert.deepEqual(
    rows.map((row) => row.transaction_id),
    listed.map((item: { transaction_id: string }) => item.transaction_id),
  )
  assert.deepEqual(JSON.parse(rows[0].reasons), listed[0].reasons)
  assert.equal((await call('GET', `${ANOMALIES}/export?format=xml`)).status, 422)
  const none = await call('GET', `${ANOMALIES}/export?account=nobody`)
  assert.equal((await none.text()).split('\r\n').length, 2)
})

test('a cell that a spreadsheet would take for a formula is a text', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(url, [{ id: '=1+1', merchant: '@SUM(A1)', category: '-2, "quoted"\r\n' }])
  const text = await (await call('GET', `${ANOMALIES}/export`)).text()
  const [row]: Record<string, string>[] = parse(text, { columns: true, record_delimiter: '\r\n' })
  assert.equal(row.transaction_id, `'=1+1`)
  assert.equal(row.merchant_id, `'@SUM(A1)`)
  assert.equal(row.merchant_category, `'-2, "quoted"\r\n`)
})

test('an export asks for a page when the one before was taken, and for none when the client is gone', async (t) => {
  const { call, url, pool } = await open(t, [])
  await insertAnomalies(url, many(10_000))
  let statements = 0
  pool.on('acquire', () => statements++)
  const isQuiet = () => pool.totalCount === pool.idleCount
  const reader = (await call('GET', `${ANOMALIES}/export?format=ndjson`)).body!.getReader()
  for (let taken = 1; taken <= 3; taken++) {
    await reader.read()
    await until(isQuiet, { what: 'the next page' })
    await sleep(100)
    // One page may wait for the client, and one for that.
    assert.ok(statements <= taken + 2, `${statements} statements for ${taken} pages`)
  }
  await reader.cancel()
  await until(isQuiet, { what: 'the last page' })
  const before = statements
  await sleep(300)
  assert.equal(statements, before)
})

test('a database that fails on the way cuts the export off; at the beginning it is told', async (t) => {
  const { call, url } = await open(t, [])
  await insertAnomalies(url, many(3000))
  const answer = await call('GET', `${ANOMALIES}/export?format=ndjson`)
  await query(url, 'ALTER TABLE transactions RENAME TO gone')
  await assert.rejects(answer.text())
  assert.equal((await call('GET', `${ANOMALIES}/export`)).status, 503)
})
