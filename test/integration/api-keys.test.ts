import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKey, endKey } from '../../api/auth/key-changes.ts'
import { isWhole } from '../../api/auth/key-text.ts'
import { startApi } from '../../api/main.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { controllableServers, query, type Scope, until } from '../harness.ts'
import { cookieOf, json, KEY, testApp } from '../unit/api-app.ts'
import { ANOMALIES, JSON_TYPE, open } from './api-rows.ts'
import { runCommand } from './commands.ts'
import { connectedQuery } from './queries.ts'

const LOCAL = 'http://localhost:8000'
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' }

/** A key of the table with some scopes; valid for an hour unless told otherwise. */
async function makeKey(
  t: Scope,
  url: string,
  scopes: ('read' | 'triage' | 'admin' | 'metrics')[],
  seconds = 3600,
) {
  const run = await connectedQuery(t, url)
  const expires_at = new Date(Date.now() + seconds * 1000)
  const made = await createKey(run, { name: 'Test', scopes, expires_at }, 'test')
  return { ...made, revoke: () => endKey(run, made.id, 'test') }
}

test('a key may do what its scopes say, and is told which one it lacks', async (t) => {
  const { bare, url, audit } = await open(t, [{ id: 'T' }])
  const scopesOf = { read: ['read'], triage: ['triage'], metrics: ['metrics'], admin: ['admin'] } as const
  const calls = [
    ['GET', ANOMALIES],
    ['HEAD', `${ANOMALIES}/T`],
    ['PUT', `${ANOMALIES}/T`],
    ['GET', '/metrics'],
  ] as const
  const expected = {
    read: [200, 200, 403, 403],
    triage: [403, 403, 200, 403],
    metrics: [403, 403, 403, 200],
    admin: [200, 200, 200, 200],
  }
  // All before the first call: an app without notices reads its list anew after three seconds only.
  const keys = new Map<string, Awaited<ReturnType<typeof makeKey>>>()
  for (const [name, scopes] of Object.entries(scopesOf)) keys.set(name, await makeKey(t, url, [...scopes]))
  for (const [name, { key, id }] of keys) {
    const statuses: number[] = []
    for (const [method, path] of calls) {
      const body =
        method === 'PUT' ? `{"new_status":"${name === 'admin' ? 'FRAUD' : 'DISMISSED'}"}` : undefined
      const answer = await bare(method, path, { 'X-API-Key': key, ...JSON_TYPE }, body)
      statuses.push(answer.status)
      if (answer.status === 403 && method !== 'HEAD')
        assert.match((await json(answer)).detail, /^The key lacks the scope (read|triage|metrics)\.$/)
    }
    assert.deepEqual(statuses, expected[name as keyof typeof expected], name)
    if (name === 'admin') assert.equal((await audit()).at(-1)?.actor, `Test (key ${id})`)
  }
})

test('every call of the document asks for the scope that it names, and health for none', async (t) => {
  const { bare, call, url } = await open(t, [{ id: 'T-1042', account: 'ACC-7' }])
  const keys = {
    read: (await makeKey(t, url, ['read'])).key,
    triage: (await makeKey(t, url, ['triage'])).key,
    metrics: (await makeKey(t, url, ['metrics'])).key,
  }
  const { paths } = await json(call('GET', '/api/openapi.json'))
  let asked = 0
  for (const [path, methods] of Object.entries<Record<string, { description: string }>>(paths)) {
    for (const [method, { description }] of Object.entries(methods)) {
      const [, scope] = / Needs the scope `(\w+)`\.$/.exec(description) ?? []
      const filled = path.replace('{transaction_id}', 'T-1042').replace('{account_id}', 'ACC-7')
      const statusWith = async (headers: Record<string, string>) => {
        const body = method === 'get' ? undefined : '{}'
        const answer = await bare(method.toUpperCase(), filled, { ...JSON_TYPE, ...headers }, body)
        await answer.body?.cancel()
        return answer.status
      }
      if (scope === undefined) {
        assert.match(path, /^\/health/)
        assert.equal(await statusWith({}), 200, path)
        continue
      }
      asked++
      assert.equal(await statusWith({}), 401, path)
      for (const [name, key] of Object.entries(keys)) {
        const status = await statusWith({ 'X-API-Key': key })
        if (name === scope)
          assert.ok(status === 200 || status === 422, `${name} ${method} ${path}: ${status}`)
        else assert.equal(status, 403, `${name} ${method} ${path}`)
      }
    }
  }
  assert.ok(asked > 10)
})

test('an unknown id, a wrong secret, a wrong checksum and no key at all get the same answer', async (t) => {
  const { bare, url } = await open(t, [])
  const { key, id } = await makeKey(t, url, ['read'])
  assert.equal((await bare('GET', ANOMALIES, { 'X-API-Key': key })).status, 200)
  const [, , secret, sum] = key.split('_')
  const turned = `${secret[0] === '0' ? '1' : '0'}${secret.slice(1)}`
  const wrong = [
    `weir_00000000_${secret}_${sum}`,
    `weir_${id}_${turned}_${sum}`,
    `weir_${id}_${secret}_00000000`,
    `weir_${id}`,
    key.toUpperCase(),
    `${key}0`,
  ]
  const answers = new Set<string>()
  for (const each of wrong) {
    const answer = await bare('GET', ANOMALIES, { 'X-API-Key': each })
    assert.equal(answer.status, 401, each)
    answers.add(JSON.stringify({ ...(await json(answer)), request_id: '' }))
  }
  assert.equal(answers.size, 1)
})

test('each key has a limit of its own', async (t) => {
  const { bare, call, url } = await open(t, [], { env: { RATE_LIMIT_READ: '2' } })
  const [one, other] = [await makeKey(t, url, ['read']), await makeKey(t, url, ['read'])]
  const statusWith = async (key: string) => (await bare('GET', ANOMALIES, { 'X-API-Key': key })).status
  assert.deepEqual([await statusWith(one.key), await statusWith(one.key)], [200, 200])
  assert.equal(await statusWith(one.key), 429)
  assert.equal(await statusWith(other.key), 200)
  assert.equal((await call('GET', ANOMALIES)).status, 200)
})

test('a session may do what its key may, and ends with it', async (t) => {
  const { bare, url, statusOf } = await open(t, [{ id: 'T' }])
  const login = (key: string) => bare('POST', `${LOCAL}/login`, FORM, new URLSearchParams({ key }))
  const { key, revoke } = await makeKey(t, url, ['read'])
  const blind = await login((await makeKey(t, url, ['triage', 'metrics'])).key)
  assert.equal(blind.status, 403)
  assert.match(await blind.text(), /lacks the scope read/)

  const Cookie = cookieOf(await login(key))
  const list = async (path = ANOMALIES) => (await bare('GET', LOCAL + path, { Cookie })).status
  assert.equal(await list(), 200)
  assert.equal(await list('/metrics'), 403)
  const put = await bare(
    'PUT',
    `${LOCAL}${ANOMALIES}/T`,
    { Cookie, ...JSON_TYPE, ...FORM_SITE },
    '{"new_status":"FRAUD"}',
  )
  assert.equal(put.status, 403)
  const page = await bare('POST', `${LOCAL}/anomalies/T/status`, { Cookie, ...FORM }, new URLSearchParams())
  assert.equal(page.status, 403)
  assert.equal(await statusOf('T'), 'NEW')
  await revoke()
  await until(async () => (await list()) === 401, { what: 'the session to end', seconds: 5 })
})
const FORM_SITE = { 'Sec-Fetch-Site': 'same-origin' }

/** The statement of SECURITY.md: what is documented is what is tested. */
const NEW_SESSION_SECRET = /```sql\n(UPDATE api_secrets [^`]*)```/.exec(
  readFileSync(new URL('../../SECURITY.md', import.meta.url), 'utf8'),
)![1]

test('with a new signing secret all sessions of the table’s keys end, and keys go on', async (t) => {
  const { bare, url } = await open(t, [])
  const { key } = await makeKey(t, url, ['read'])
  const login = () => bare('POST', `${LOCAL}/login`, FORM, new URLSearchParams({ key }))
  const Cookie = cookieOf(await login())
  const list = async (headers: Record<string, string>) =>
    (await bare('GET', LOCAL + ANOMALIES, headers)).status
  assert.equal(await list({ Cookie }), 200)
  await query(url, NEW_SESSION_SECRET)
  await until(async () => (await list({ Cookie })) === 401, { what: 'the session to end', seconds: 5 })
  assert.equal(await list({ 'X-API-Key': key }), 200)
  assert.equal(await list({ Cookie: cookieOf(await login()) }), 200)
})

test('a key and its session end when it expires, without a new list', async (t) => {
  let now = Date.now()
  const { bare, call, url } = await open(t, [], { deps: { now: () => now } })
  const { key, id, expires_at } = await makeKey(t, url, ['read'])
  const login = await bare('POST', `${LOCAL}/login`, FORM, new URLSearchParams({ key }))
  const Cookie = cookieOf(login)
  const both = async () => [
    (await bare('GET', ANOMALIES, { 'X-API-Key': key })).status,
    (await bare('GET', LOCAL + ANOMALIES, { Cookie })).status,
  ]
  assert.deepEqual(await both(), [200, 200])
  const metrics = await (await call('GET', '/metrics')).text()
  assert.ok(
    metrics.includes(`weir_api_key_expiry_timestamp_seconds{key="${id}"} ${expires_at!.getTime() / 1000}`),
  )
  now += 3590_000
  assert.deepEqual(await both(), [200, 200])
  now += 20_000
  assert.deepEqual(await both(), [401, 401])
})

test('calls cost no query for their key', async (t) => {
  const { bare, url, pool } = await open(t, [])
  const { key } = await makeKey(t, url, ['metrics'])
  assert.equal((await bare('GET', '/metrics', { 'X-API-Key': key })).status, 200)
  let queries = 0
  pool.on('acquire', () => queries++)
  for (let i = 0; i < 200; i++) await bare('GET', '/metrics', { 'X-API-Key': key })
  // Two for each time that the list is read anew, every three seconds.
  assert.ok(queries <= 4, `${queries} queries`)
  // Nobody waited for that to be noted.
  const isUsed = async () => {
    const [{ used }] = await query<{ used: boolean }>(
      url,
      'SELECT last_used_at IS NOT NULL AS used FROM api_keys',
    )
    return used
  }
  await until(isUsed, { what: 'the use of the key to be noted' })
})

async function replica(t: Scope, url: string, env: Record<string, string> = { API_KEY: KEY }) {
  const settings = loadSettings(['DATABASE_URL'], { DATABASE_URL: url, PORT: '0', NODE_ENV: 'test', ...env })
  const api = await startApi({ settings, log: createLogger('api', 'silent') })
  t.after(() => api.stop())
  return (key: string) => fetch(api.url + ANOMALIES, { headers: { 'X-API-Key': key } })
}

test('a new key works on every replica at once, and a revoked one ends on all within five seconds', async (t) => {
  const { url } = await open(t, [])
  const replicas = await Promise.all([replica(t, url), replica(t, url), replica(t, url)])
  // So that each has a list of before.
  const before = await makeKey(t, url, ['read'])
  for (const call of replicas)
    await until(async () => (await call(before.key)).status === 200, { what: 'the first key to be known' })
  const { key, revoke } = await makeKey(t, url, ['read'])
  for (const call of replicas)
    await until(async () => (await call(key)).status === 200, { what: 'a new key to be known', seconds: 5 })
  await revoke()
  for (const call of replicas)
    await until(async () => (await call(key)).status === 401, { what: 'a revoked key to end', seconds: 5 })
  // The notices' connections are cut: the list is read anew all the same.
  await query(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'weir-api-keys'`,
  )
  await before.revoke()
  for (const call of replicas)
    await until(async () => (await call(before.key)).status === 401, {
      what: 'the first key to end',
      seconds: 5,
    })
})

test('without API_KEY the keys of the table do, and sessions hold on every replica', async (t) => {
  const { url } = await open(t, [])
  const refused = await runCommand(url, 'api')
  assert.equal(refused.code, 2)
  assert.match(
    refused.errors,
    /API_KEY: not set, and the database has no valid key; make one with `npm run keys/,
  )

  const { key } = await makeKey(t, url, ['read'])
  const one = testApp({ env: { DATABASE_URL: url, API_KEY: '' } })
  const other = testApp({ env: { DATABASE_URL: url, API_KEY: '' } })
  t.after(() => Promise.all([one.pool.end(), other.pool.end()]))
  const Cookie = cookieOf(await one.bare('POST', `${LOCAL}/login`, FORM, new URLSearchParams({ key })))
  assert.equal((await other.bare('GET', LOCAL + ANOMALIES, { Cookie })).status, 200)
  assert.equal((await other.bare('GET', ANOMALIES, { 'X-API-Key': KEY })).status, 401)
  const forged = Cookie.replace(/weir=(\d+)/, (_, expiry) => `weir=${Number(expiry) + 1}`)
  assert.equal((await other.bare('GET', LOCAL + ANOMALIES, { Cookie: forged })).status, 401)
})

test('while the database is away known keys go on, unknown ones get 503, and API_KEY needs no database', async (t) => {
  const servers = await controllableServers(t)
  const { key } = await makeKey(t, servers.DATABASE_URL, ['metrics'])
  const { bare, call, pool } = testApp({ env: { DATABASE_URL: servers.DATABASE_URL } })
  t.after(() => pool.end())
  const metrics = async (presented: string) =>
    (await bare('GET', '/metrics', { 'X-API-Key': presented })).status
  assert.equal(await metrics(key), 200)
  await servers.postgres.stop('immediate')
  await sleep(3100) // so that the list is not fresh any more
  assert.equal(await metrics(key), 200)
  assert.equal((await call('GET', '/metrics')).status, 200)
  assert.equal(await metrics('not even like a key'), 401)

  const cold = testApp({ env: { DATABASE_URL: servers.DATABASE_URL } })
  t.after(() => cold.pool.end())
  const answer = await cold.bare('GET', '/metrics', { 'X-API-Key': key })
  assert.equal(answer.status, 503)
  assert.ok(answer.headers.get('retry-after'))
  await servers.postgres.start()
  const again = () => cold.bare('GET', '/metrics', { 'X-API-Key': key })
  await until(async () => (await again()).status === 200, { what: 'the key to be known' })
})

test('npm run keys makes, lists, rotates and revokes; a key is shown once and kept nowhere', async (t) => {
  const { bare, url } = await open(t, [])
  const keys = (...args: string[]) => runCommand(url, 'keys', ...args)
  const made = await keys('create', '--name', 'Branch 7', '--scopes', 'read,triage', '--expires', '90d')
  assert.equal(made.code, 0, made.errors)
  const key = made.out.trim()
  assert.ok(isWhole(key), key)
  assert.match(
    made.errors,
    /Branch 7: scopes read, triage; valid until \d{4}-.*only time that the key is shown/s,
  )
  const id = key.split('_')[1]
  const listed = (await keys('list', '--json')).json()
  const { name, scopes, state } = listed
  assert.deepEqual({ name, scopes, state }, { name: 'Branch 7', scopes: ['read', 'triage'], state: 'valid' })
  const days = (Date.parse(listed.expires_at) - Date.parse(listed.created_at)) / 86_400_000
  assert.ok(Math.abs(days - 90) < 0.01, `${days} days`)

  const rotated = (await keys('rotate', id, '--overlap', '1h', '--json')).json()
  assert.notEqual(rotated.key, key)
  assert.equal(rotated.old_id, id)
  assert.ok(Math.abs(Date.parse(rotated.old_expires_at) - Date.now() - 3_600_000) < 60_000)
  for (const each of [key, rotated.key])
    assert.equal((await bare('GET', ANOMALIES, { 'X-API-Key': each })).status, 200)
  assert.match((await keys('rotate', id)).errors, new RegExp(`rotated already: ${rotated.id}`))

  assert.match((await keys('revoke', key)).out, new RegExp(`${id} is revoked`))
  assert.match((await keys('revoke', id)).out, /revoked at .* already/)
  assert.match((await keys('rotate', id)).errors, /is not valid since/)
  assert.match((await keys('list')).out, new RegExp(`^${id} .* revoked .*${rotated.id}$`, 'm'))
  assert.equal((await keys('revoke', 'zzzzzzzz')).code, 1)
  assert.equal((await keys('create', '--name', 'X', '--scopes', 'write')).code, 1)
  assert.equal((await keys('create', '--name', 'X', '--expires', '2020-01-01')).code, 1)
  const [{ everything }] = await query<{ everything: string }>(
    url,
    `SELECT (SELECT json_agg(k) FROM api_keys k)::text || (SELECT json_agg(a) FROM status_audit a)::text AS everything`,
  )
  for (const each of [key, rotated.key]) assert.ok(!everything.includes(each.split('_')[2]))
  const actions = await query<{ action: string; actor: string }>(
    url,
    'SELECT action, actor FROM status_audit ORDER BY seq',
  )
  assert.deepEqual(
    actions.map(({ action }) => action),
    ['key.create', 'key.rotate', 'key.revoke'],
  )
  assert.match(actions[0].actor, /^command:/)
})
