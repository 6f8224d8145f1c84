import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookieOf, KEY } from '../unit/api-app.ts'
import { open } from './api-rows.ts'

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
  assert.match(detail, /standard deviations from it/)
  assert.doesNotMatch(detail, /<script>|<i>/)
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
