import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKey } from '../../api/auth/key-changes.ts'
import type { Scope } from '../../api/context.ts'
import { createClient } from '../../schemas/database.ts'
import { type Scope as Ending, query, until } from '../harness.ts'
import { cookieOf, KEY } from '../unit/api-app.ts'
import { open } from './api-rows.ts'
import { connectedQuery } from './queries.ts'

const LOCAL = 'http://localhost:8000'

test('the queue page shows anomalies, escaped, with their reasons; the detail page has all about one', async (t) => {
  const message = '<script>alert("x")</script> & more'
  const { bare } = await open(t, [
    { id: 'T<1>', account: 'A"><i>', reasons: [{ code: 'HIGH_AMOUNT', score: 0.8, message }] },
    { id: 'decided', status: 'FRAUD' },
  ])
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const page = await (await bare('GET', `${LOCAL}/`, { Cookie })).text()
  assert.match(page, /&lt;script&gt;alert\(&quot;x&quot;\)&lt;\/script&gt; &amp; more/)
  assert.doesNotMatch(page, /<script>|<i>/)
  assert.doesNotMatch(page, /decided/)
  assert.match(await (await bare('GET', `${LOCAL}/?status=FRAUD`, { Cookie })).text(), /decided/)
  assert.equal((await bare('GET', `${LOCAL}/?status=OPEN`, { Cookie })).status, 422)
  const detail = await (await bare('GET', `${LOCAL}/anomalies/T%3C1%3E`, { Cookie })).text()
  assert.match(detail, /&lt;script&gt;/)
  assert.match(detail, /<dt title="deviation">amount, above that mean<\/dt><dd>–<\/dd>/)
  assert.doesNotMatch(detail, /<script>|<i>/)
})

test('a session whose key may only read sees no buttons, and why', async (t) => {
  const { bare, url } = await open(t, [{ id: 'T' }])
  const run = await connectedQuery(t, url)
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const made = (scopes: Scope[]) => createKey(run, { name: 'Test', scopes, expires_at: null }, 'test')
  const keys = {
    read: await made(['read']),
    both: await made(['read', 'triage']),
    admin: await made(['admin']),
  }
  for (const [name, { key }] of Object.entries(keys)) {
    const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key })))
    for (const path of ['/', '/anomalies/T']) {
      const page = await (await bare('GET', LOCAL + path, { Cookie })).text()
      assert.match(page, /The amount is high\./)
      assert.equal(page.includes('name="new_status"'), name !== 'read', `${name} ${path}`)
      assert.equal(page.includes('it lacks the scope triage'), name === 'read', `${name} ${path}`)
    }
  }
})

test('a decision by form is audited under the session and leads back to the queue, never to another site', async (t) => {
  const { bare, audit, statusOf } = await open(t, [{ id: 'T' }])
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const page = async () => (await bare('GET', `${LOCAL}/?status=ALL`, { Cookie })).text()
  const version = async () => /name="version" value="(\d+)"/.exec(await page())![1]
  const decide = async (fields: Record<string, string>) =>
    bare(
      'POST',
      `${LOCAL}/anomalies/T/status`,
      { ...form, Cookie },
      new URLSearchParams({ timestamp: '2026-11-24T09:30:00.000Z', ...fields }),
    )

  const seen = await version()
  const done = await decide({
    new_status: 'FRAUD',
    version: seen,
    note: ' lost card ',
    back: '/?min_score=0.8',
  })
  assert.equal(done.status, 303)
  assert.equal(done.headers.get('location'), '/?min_score=0.8')
  const late = await decide({ new_status: 'DISMISSED', version: seen })
  assert.equal(late.status, 409)
  assert.equal(await statusOf('T'), 'FRAUD')
  for (const back of [
    '//evil.example',
    'https://evil.example',
    'blob:http://weir.invalid/x',
    '/\\evil.example',
    '/..//evil.example',
    'javascript:x',
  ]) {
    const status = (await statusOf('T')) === 'NEW' ? 'FRAUD' : 'NEW'
    const answer = await decide({ new_status: status, version: await version(), back })
    assert.match(answer.headers.get('location')!, /^\/(?![/\\])/, back)
  }
  const [entry] = await audit()
  assert.match(entry.actor as string, /^API_KEY, session [\w-]{8}$/)
  assert.equal(entry.note, 'lost card')
})

test('the way back from an anomaly leads to the place in the queue that one came from, never to another site', async (t) => {
  const { bare } = await open(t, [{ id: 'T', score: 0.97 }])
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const page = async (path: string) => (await bare('GET', LOCAL + path, { Cookie })).text()
  const wayBack = (detail: string) =>
    /class="back"><a href="([^"]*)"/.exec(detail)![1].replaceAll('&amp;', '&')
  const place = '/?status=ALL&min_score=0.9'
  const link = /class="c-reason"><a href="([^"]+)"/.exec(await page(place))![1].replaceAll('&amp;', '&')
  const detail = await page(link)
  assert.equal(wayBack(detail), place)
  // A decision leads to the same page again, which still knows the way.
  const again = /name="back" value="([^"]+)"/.exec(detail)![1].replaceAll('&amp;', '&')
  assert.equal(wayBack(await page(again)), place)
  assert.equal(wayBack(await page('/anomalies/T')), '/')
  for (const back of [
    'https://evil.example/',
    '//evil.example',
    'blob:http://weir.invalid/x',
    '/x'.repeat(501),
  ])
    assert.match(wayBack(await page(`/anomalies/T?back=${encodeURIComponent(back)}`)), /^\/(?![/\\])/, back)
})

test('a form that was sent twice is done once, without a fault; of another session or with another word it is one', async (t) => {
  const { bare, audit } = await open(t, [{ id: 'T' }])
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const session = async () =>
    cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const [mine, other] = [await session(), await session()]
  const page = await (await bare('GET', `${LOCAL}/`, { Cookie: mine })).text()
  const version = /name="version" value="(\d+)"/.exec(page)![1]
  const send = async (Cookie: string, fields: Record<string, string>) => {
    const body = new URLSearchParams({ timestamp: '2026-11-24T09:30:00.000Z', version, ...fields })
    return (await bare('POST', `${LOCAL}/anomalies/T/status`, { ...form, Cookie }, body)).status
  }
  const fraud = { new_status: 'FRAUD', note: 'lost card' }
  assert.deepEqual(await Promise.all([send(mine, fraud), send(mine, fraud)]), [303, 303])
  assert.equal((await audit()).length, 1)
  assert.equal(await send(other, fraud), 409)
  assert.equal(await send(mine, { ...fraud, note: 'another' }), 409)
  assert.equal(await send(mine, { new_status: 'DISMISSED' }), 409)
  assert.equal((await audit()).length, 1)
})

/** Holds a month's table as `ALTER TABLE ... DETACH PARTITION` does. @returns lets it go */
async function holdMonth(t: Ending, url: string, month: string): Promise<() => Promise<void>> {
  const client = createClient({ connectionString: url, application_name: 'weir-test' })
  client.on('error', () => {}) // the database is dropped before this test's other ends
  await client.connect()
  t.after(() => client.end())
  await client.query('BEGIN')
  await client.query(`LOCK TABLE transactions_${month} IN ACCESS EXCLUSIVE MODE`)
  return async () => void (await client.query('COMMIT'))
}

test('the detail page is shown without the timeline when that takes long or loses its connection', async (t) => {
  const time = '2026-11-24T09:30:00.000Z'
  const lines: string[] = []
  const { bare, url } = await open(
    t,
    [
      { id: 'T', time },
      { id: 'earlier', time: '2026-10-24T09:30:00.000Z' },
    ],
    { lines, env: { STATEMENT_TIMEOUT_MS: '10000' } },
  )
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, form, new URLSearchParams({ key: KEY })))
  const detail = async () => {
    const began = performance.now()
    const answer = await bare('GET', `${LOCAL}/anomalies/T?timestamp=${time}`, { Cookie })
    assert.equal(answer.status, 200)
    return { page: await answer.text(), seconds: (performance.now() - began) / 1000 }
  }
  const missing = /transactions could not be read in time\./

  const release = await holdMonth(t, url, '2026_10')
  const slow = await detail()
  assert.match(slow.page, missing)
  assert.match(slow.page, /The amount is high\..*name="new_status" value="FRAUD"/s)
  assert.doesNotMatch(slow.page, /class="timeline"/)
  assert.ok(slow.seconds < 6, `${slow.seconds} s`)
  assert.match(lines.join(''), /TooSlow.*a page is shown without its timeline/)

  const cut = detail()
  const endWaiting = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`
  await until(async () => (await query(url, endWaiting)).length > 0, { what: 'the timeline to wait' })
  assert.match((await cut).page, missing)
  assert.match(lines.join(''), /Unavailable.*a page is shown without its timeline/)

  await release()
  const { page } = await detail()
  assert.match(page, /class="timeline"/)
  assert.doesNotMatch(page, missing)
})
