import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { controllableServers, query, type Scope, testSettings, until } from '../harness.ts'
import { apiProcess } from '../support/api-process.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

const KEY = 'a-key-for-the-tests-only'

/** A file of a secret, replaced as a whole. */
function secretFile(t: Scope) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-secret-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'database-url')
  return {
    path,
    write(text: string) {
      writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600 })
      renameSync(`${path}.new`, path)
    },
  }
}

test('the database’s password is changed while API and pipeline run: nobody is refused, nothing is lost', async (t) => {
  const { DATABASE_URL } = await controllableServers(t)
  const superuser = new URL(DATABASE_URL)
  superuser.username = 'postgres'
  const ask = (text: string) => query<{ n: number }>(superuser.href, text)
  const file = secretFile(t)
  file.write(DATABASE_URL)

  const settings = await testSettings(t, { DATABASE_URL })
  const pipeline = pipelineProcess(t, settings, { env: { DATABASE_URL: '', DATABASE_URL_FILE: file.path } })
  const api = await apiProcess(t, { DATABASE_URL_FILE: file.path, API_KEY: KEY })
  const statusOf = async () =>
    (await fetch(`${api.url}/api/v1/anomalies?limit=1`, { headers: { 'X-API-Key': KEY } })).status

  let password = superuser.password
  const databaseUrl = () => {
    const url = new URL(DATABASE_URL)
    url.password = password
    return url.href
  }
  const sent = simulated(900, 96)
  const sendUntil = async (from: number, to: number) => {
    await sendTransactions(settings, sent.slice(from, to))
    await until(async () => (await storedRows(databaseUrl())).length === to, {
      seconds: 30,
      what: `${to} rows`,
    }).catch((error) => {
      throw new Error(`${error.message}; the pipeline wrote: ${pipeline.errors}`)
    })
  }
  await sendUntil(0, 300)
  assert.equal(await statusOf(), 200)

  password = 'another-password'
  await ask(`ALTER ROLE weir PASSWORD '${password}'`)
  file.write(databaseUrl())
  // Open connections live on.
  await sendUntil(300, 600)
  assert.equal(await statusOf(), 200)

  // Now each has to log in anew.
  await ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'weir'`)
  await until(async () => (await statusOf()) === 200, { what: 'the API to answer again' })
  await sendUntil(600, 900)
  const ofApi = `SELECT count(DISTINCT application_name) AS n FROM pg_stat_activity WHERE application_name LIKE 'weir-api%'`
  await until(async () => (await ask(ofApi))[0].n >= 2, { what: 'the pool, and what listens for keys' })
  for (const written of [pipeline.errors, api.output]) {
    assert.doesNotMatch(written, /password authentication failed/)
    assert.ok(!written.includes(password) && !written.includes(superuser.password), 'no secret is told')
  }
  const ids = (await storedRows(databaseUrl())).map((row) => row.transaction_id)
  assert.deepEqual(ids.sort(), sent.map((tx) => tx.transaction_id).sort())
})
