import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKey, endKey } from '../../api/auth/key-changes.ts'
import { freshDatabase, query, type Scope, until } from '../harness.ts'
import { apiProcess } from '../support/api-process.ts'
import { KEY } from '../unit/api-app.ts'
import { ANOMALIES, insert } from './api-rows.ts'
import { runCommand } from './commands.ts'
import { connectedQuery } from './queries.ts'

const MANY = '1000000000'
/** What revocation promises (README). */
const SECONDS = 5

/** Two processes of the API over one database, that know API_KEY, too. */
async function replicas(t: Scope): Promise<{ url: string; addresses: string[] }> {
  const url = await freshDatabase(t)
  await insert(url, [{ id: 'T' }])
  // Who tries a revoked key again and again is not listened to for a while, nor are others at his address.
  const env = { DATABASE_URL: url, API_KEY: KEY, RATE_LIMIT_READ: MANY, RATE_LIMIT_FAILURES: MANY }
  const apis = await Promise.all([apiProcess(t, env), apiProcess(t, env)])
  return { url, addresses: apis.map((api) => api.url) }
}

async function statusOf(address: string, key: string): Promise<number> {
  const answer = await fetch(`${address}${ANOMALIES}?limit=1`, { headers: { 'X-API-Key': key } })
  await answer.arrayBuffer()
  return answer.status
}

/** Clients that call without a pause, with the key of the moment. */
class Load {
  calls = 0
  /** Every answer but 200, and by which key of those that were used. */
  readonly refused: string[] = []
  readonly #keys: string[]
  readonly #underWay = new Map<string, number>()
  #running = true
  readonly #clients: Promise<void>[]

  constructor(addresses: string[], key: string) {
    this.#keys = [key]
    this.#clients = addresses.flatMap((address) => Array.from({ length: 3 }, () => this.#callOn(address)))
  }

  async #callOn(address: string): Promise<void> {
    while (this.#running) {
      const key = this.#keys.at(-1)!
      this.#count(key, 1)
      const status = await statusOf(address, key).catch((error: Error) => error.message)
      this.#count(key, -1)
      this.calls++
      if (status !== 200) this.refused.push(`${status} for key ${this.#keys.indexOf(key)}`)
    }
  }

  #count(key: string, by: number): void {
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + by)
  }

  /** All clients use it from their next call on. Resolves when no call with another one is under way. */
  async use(key: string): Promise<void> {
    const before = [...this.#keys]
    this.#keys.push(key)
    await until(() => before.every((old) => !this.#underWay.get(old)), { what: 'the last calls to end' })
  }

  /** So many more calls. */
  async goOn(calls: number): Promise<void> {
    const goal = this.calls + calls
    await until(() => this.calls >= goal, { what: `${calls} more calls`, seconds: 30 })
  }

  async end(): Promise<void> {
    this.#running = false
    await Promise.all(this.#clients)
  }
}

/** Waits until every process has the key in its list, as its metrics tell: nobody is refused for that. */
const untilKnown = (addresses: string[], id: string): Promise<unknown> =>
  Promise.all(
    addresses.map((address) =>
      until(
        async () => {
          const answer = await fetch(`${address}/metrics`, { headers: { 'X-API-Key': KEY } })
          return (await answer.text()).includes(`weir_api_key_expiry_timestamp_seconds{key="${id}"}`)
        },
        { what: 'the new key to be known', seconds: SECONDS },
      ),
    ),
  )

/**
 * Calls with a key while it is revoked, until the process has refused it for a second.
 * @param revoke resolves to the time by the database's clock, which is this machine's
 * @returns seconds from then to the first refusal; no call after that one was served
 */
async function secondsToRefusal(address: string, key: string, revoke: Promise<Date>): Promise<number> {
  const deadline = Date.now() + 30_000
  let refusedAt: number | undefined
  for (;;) {
    assert.ok(Date.now() < deadline, 'the key was served for 30 s')
    const status = await statusOf(address, key)
    if (refusedAt !== undefined) assert.equal(status, 401, 'a key that was refused is served again')
    else if (status === 401) refusedAt = Date.now()
    else assert.equal(status, 200)
    if (refusedAt !== undefined && Date.now() - refusedAt > 1000) break
    if (refusedAt === undefined) await sleep(5)
  }
  return (refusedAt - (await revoke).getTime()) / 1000
}

test('a key is rotated under load without a refused call, and the old one then ends on both processes', async (t) => {
  const { url, addresses } = await replicas(t)
  const run = await connectedQuery(t, url)
  const expires_at = new Date(Date.now() + 86_400_000)
  const old = await createKey(run, { name: 'Branch 7', scopes: ['read'], expires_at }, 'test')
  await untilKnown(addresses, old.id)

  const load = new Load(addresses, old.key)
  t.after(() => load.end())
  await load.goOn(100)
  const rotated = await runCommand(url, 'keys', 'rotate', old.id, '--overlap', '1h', '--json')
  assert.equal(rotated.code, 0, rotated.errors)
  const began = performance.now()
  const { id, key } = rotated.json()
  await untilKnown(addresses, id)
  t.diagnostic(`the new key was known ${((performance.now() - began) / 1000).toFixed(3)} s after the command`)
  await load.goOn(100)
  await load.use(key)
  await load.goOn(100)

  const revoking = runCommand(url, 'keys', 'revoke', old.id, '--json')
  const at = revoking.then((revoked) => {
    assert.equal(revoked.code, 0, revoked.errors)
    return new Date(revoked.json().revoked_at)
  })
  const seconds = await Promise.all(addresses.map((address) => secondsToRefusal(address, old.key, at)))
  t.diagnostic(`revoked on both processes after ${seconds.map((s) => s.toFixed(3)).join(' and ')} s`)
  assert.ok(Math.max(...seconds) < SECONDS)
  await load.goOn(100)
  await load.end()
  t.diagnostic(`${load.calls} calls`)
  assert.deepEqual(load.refused, [])
})

test('a revoked key ends on both processes within five seconds, also where they hear of no change', async (t) => {
  const { url, addresses } = await replicas(t)
  const run = await connectedQuery(t, url)
  const revokeOne = async () => {
    const expires_at = new Date(Date.now() + 3_600_000)
    const { id, key } = await createKey(run, { name: 'Test', scopes: ['read'], expires_at }, 'test')
    for (const address of addresses)
      await until(async () => (await statusOf(address, key)) === 200, { what: 'the key to be known' })
    const at = endKey(run, id, 'test').then(({ revoked_at }) => revoked_at)
    return Promise.all(addresses.map((address) => secondsToRefusal(address, key, at)))
  }
  const heard: number[] = []
  for (let i = 0; i < 3; i++) heard.push(...(await revokeOne()))
  await query(url, 'ALTER TABLE api_keys DISABLE TRIGGER api_keys_announced')
  const unheard = await revokeOne()
  const inWords = (seconds: number[]) => `${seconds.map((s) => s.toFixed(3)).join(', ')} s`
  t.diagnostic(`with notices: ${inWords(heard)}`)
  t.diagnostic(`without: ${inWords(unheard)}`)
  assert.ok(Math.max(...heard, ...unheard) < SECONDS)
})
