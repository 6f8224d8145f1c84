import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireSomeKey } from '../../api/auth/some-key.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { cookieOf, json, KEY, testApp } from './api-app.ts'

const LOCAL = 'http://localhost:8000'
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }
const key = (value: string) => new URLSearchParams({ key: value })
const SAME = { 'Sec-Fetch-Site': 'same-origin' }

test('without API_KEY a database that does not answer is no reason not to start, but is told', async () => {
  const lines: string[] = []
  const log = createLogger('api', 'warn', { write: (line: string) => void lines.push(line) })
  const settings = loadSettings(['DATABASE_URL'], { DATABASE_URL: 'postgres://weir:CANARY@127.0.0.1:1/weir' })
  await requireSomeKey(settings, log)
  assert.match(lines.join(''), /API_KEY is not set, and the keys of the database could not be read yet/)
  assert.doesNotMatch(lines.join(''), /CANARY/)
})

test('a call without a key, or with a wrong one, gets 401 and learns nothing else', async () => {
  const { bare } = testApp()
  for (const headers of [
    {},
    { 'X-API-Key': 'wrong' },
    { 'X-API-Key': '' },
    { Authorization: `Basic ${KEY}` },
  ]) {
    for (const path of [
      '/api/v1/anomalies',
      '/api/v1/anomalies/X',
      '/api/v1/accounts/A/transactions',
      '/metrics',
    ]) {
      const answer = await bare('GET', path, headers as Record<string, string>)
      assert.equal(answer.status, 401, path)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.ok(answer.headers.get('www-authenticate'))
    }
  }
})

test('the key is taken from X-API-Key and from Authorization: Bearer', async () => {
  const { bare } = testApp()
  assert.equal((await bare('GET', '/metrics', { 'X-API-Key': KEY })).status, 200)
  assert.equal((await bare('GET', '/metrics', { Authorization: `Bearer ${KEY}` })).status, 200)
})

test('a key in an address is none, and a login by an address is none', async () => {
  const { bare } = testApp()
  for (const name of ['key', 'api_key', 'apikey', 'X-API-Key', 'x-api-key', 'access_token', 'token']) {
    assert.equal((await bare('GET', `/metrics?${name}=${KEY}`)).status, 401, name)
    const login = await bare('POST', `${LOCAL}/login?${name}=${KEY}`, { ...FORM, ...SAME }, '')
    assert.equal(login.headers.get('set-cookie'), null, name)
  }
  const link = await bare('GET', `${LOCAL}/?key=${KEY}`)
  assert.equal(link.headers.get('set-cookie'), null)
})

test('on loopback outside production the session cookie is plain, HttpOnly and strict', async () => {
  const { bare } = testApp()
  const answer = await bare('POST', `${LOCAL}/login`, { ...FORM, ...SAME }, key(KEY))
  assert.equal(answer.status, 303)
  assert.match(
    answer.headers.get('set-cookie')!,
    /^weir=[\w.-]+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
  )
  const metrics = await bare('GET', `${LOCAL}/metrics`, { Cookie: cookieOf(answer) })
  assert.equal(metrics.status, 200)
})

test('behind https the session cookie is __Host-weir and Secure, in production too', async () => {
  const { bare } = testApp({ env: { NODE_ENV: 'production', TRUSTED_PROXIES: '1' } })
  const headers = { ...FORM, ...SAME, 'X-Forwarded-Proto': 'https' }
  const answer = await bare('POST', 'http://weir.example/login', headers, key(KEY))
  assert.match(answer.headers.get('set-cookie')!, /^__Host-weir=[\w.-]+; .*Secure; SameSite=Strict$/)
})

const refused: [string, string, Record<string, string>][] = [
  ['plain http from elsewhere', 'http://weir.example', {}],
  ['plain http on an address', 'http://192.0.2.7:8000', {}],
  ['a name that only begins like loopback', 'http://127.0.0.1.evil.example', {}],
  ['loopback in production', LOCAL, { NODE_ENV: 'production' }],
]
for (const [what, origin, env] of refused) {
  test(`login over ${what} is refused with the reason on a page`, async () => {
    const { bare } = testApp({ env })
    const page = await (await bare('GET', `${origin}/`)).text()
    assert.match(page, /plain http/)
    assert.doesNotMatch(page, /<input/)
    const answer = await bare('POST', `${origin}/login`, { ...FORM, ...SAME }, key(KEY))
    assert.equal(answer.status, 403)
    assert.equal(answer.headers.get('set-cookie'), null)
  })
}

test('a session that is forged, cut, of another key or expired is none', async () => {
  let now = Date.now()
  const { bare } = testApp({ deps: { now: () => now } })
  const mine = cookieOf(await bare('POST', `${LOCAL}/login`, FORM, key(KEY)))
  const other = testApp({ env: { API_KEY: 'another-key-of-tests' } })
  const theirs = cookieOf(await other.bare('POST', `${LOCAL}/login`, FORM, key('another-key-of-tests')))
  const status = async (cookie: string) => (await bare('GET', `${LOCAL}/metrics`, { Cookie: cookie })).status

  const [expiry, key_id, id, signature] = mine.replace('weir=', '').split('.')
  assert.equal(await status(mine), 200)
  assert.equal(await status(theirs), 401)
  assert.equal(await status(`weir=${Number(expiry) + 1}.${key_id}.${id}.${signature}`), 401)
  assert.equal(await status(`weir=${expiry}.${key_id}.${id}.`), 401)
  assert.equal(await status(`weir=${expiry}.${key_id}.${id}`), 401)
  assert.equal(await status(mine.replace('weir', '__Host-weir')), 401)
  now += 12 * 3600 * 1000 - 1000
  assert.equal(await status(mine), 200)
  now += 1000
  assert.equal(await status(mine), 401)
})

test('a session writes only from the pages of this server', async () => {
  const { bare } = testApp()
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, FORM, key(KEY)))
  const put = async (headers: Record<string, string>) => {
    const all = { Cookie, 'Content-Type': 'application/json', ...headers }
    const answer = await bare('PUT', `${LOCAL}/api/v1/anomalies/X`, all, '{"new_status":"FRAUD"}')
    return answer.status
  }
  assert.equal(await put({}), 403)
  assert.equal(await put({ 'Sec-Fetch-Site': 'cross-site' }), 403)
  assert.equal(await put({ 'Sec-Fetch-Site': 'same-site', Origin: LOCAL }), 403)
  assert.equal(await put({ Origin: 'http://evil.example' }), 403)
  assert.equal(await put({ Origin: 'null' }), 403)
  // Past the guard, the database is what is missing.
  assert.equal(await put({ Origin: LOCAL }), 503)
  assert.equal(await put({ 'Sec-Fetch-Site': 'same-origin', Origin: 'null' }), 503)

  for (const path of ['/logout', '/anomalies/X/status']) {
    const answer = await bare('POST', LOCAL + path, { Cookie, ...FORM, 'Sec-Fetch-Site': 'cross-site' })
    assert.equal(answer.status, 403, path)
  }
  const foreign = await bare('POST', `${LOCAL}/login`, { ...FORM, 'Sec-Fetch-Site': 'cross-site' }, key(KEY))
  assert.equal(foreign.status, 403)
})

test('a wrong key on the login page is told there, and logging out deletes the cookie', async () => {
  const { bare } = testApp()
  const wrong = await bare('POST', `${LOCAL}/login`, { ...FORM, ...SAME }, key('wrong-key'))
  assert.equal(wrong.status, 401)
  assert.match(await wrong.text(), /This key is not known/)
  const out = await bare('POST', `${LOCAL}/logout`, SAME)
  assert.match(out.headers.get('set-cookie')!, /^weir=; Max-Age=0/)
})

test('pages without a session lead to the login', async () => {
  const { bare } = testApp()
  assert.match(await (await bare('GET', `${LOCAL}/`)).text(), /name="key"/)
  const detail = await bare('GET', `${LOCAL}/anomalies/X`)
  assert.equal(detail.status, 303)
  assert.equal(detail.headers.get('location'), '/')
})

test('neither keys nor cookies nor account ids get into the log', async () => {
  const { bare, call, lines } = testApp()
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, FORM, key(KEY)))
  await call('GET', '/api/v1/accounts/ACC-CANARY/transactions')
  await call('GET', '/api/v1/account/ACC-CANARY')
  await bare('GET', `${LOCAL}/?account_id=ACC-CANARY`, { Cookie })
  await bare('GET', '/metrics', { 'X-API-Key': 'WRONG-CANARY' })
  assert.ok(lines.length >= 6)
  assert.doesNotMatch(lines.join(''), /CANARY|a-key-for/)
  assert.ok(!lines.join('').includes(Cookie.split('=')[1]))
})

test('the log says of the pages, too, that a session asked for them', async () => {
  const { bare, call, lines } = testApp()
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, FORM, key(KEY)))
  lines.length = 0
  await call('GET', '/api/openapi.json')
  for (const path of ['/', '/anomalies/X']) await bare('GET', LOCAL + path, { Cookie })
  await bare('GET', `${LOCAL}/`)
  const callers = lines
    .map((line) => JSON.parse(line))
    .filter(({ msg }) => msg === 'request')
    .map(({ caller }) => caller.replace(/session .*/, 'session'))
  assert.deepEqual(callers, ['API_KEY', 'API_KEY, session', 'API_KEY, session', 'none'])
})

test('the log says of each call whose it was, as the audit names him', async () => {
  const { bare, call, lines } = testApp()
  const Cookie = cookieOf(await bare('POST', `${LOCAL}/login`, FORM, key(KEY)))
  const callerOf = async (answer: Response | Promise<Response>): Promise<string> => {
    lines.length = 0
    await answer
    return lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'request').caller
  }
  assert.equal(await callerOf(call('GET', '/api/v1/anomalies')), 'API_KEY')
  assert.match(
    await callerOf(bare('GET', `${LOCAL}/api/v1/anomalies`, { Cookie })),
    /^API_KEY, session [\w-]{8}$/,
  )
  assert.equal(await callerOf(bare('GET', '/api/v1/anomalies')), 'none')
})

test('an unknown address gets 401 under /api without a key, 404 with one', async () => {
  const { bare, call } = testApp()
  assert.equal((await bare('GET', '/api/v1/nothing')).status, 401)
  assert.equal((await json(call('GET', '/api/v1/nothing'))).status, 404)
  assert.equal((await bare('GET', '/nothing')).status, 404)
})
