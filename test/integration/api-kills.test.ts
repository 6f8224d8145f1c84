import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freshDatabase, query, type Scope, until } from '../harness.ts'
import { KEY } from '../unit/api-app.ts'
import { ANOMALIES, insert, JSON_TYPE } from './api-rows.ts'
import { runCommand } from './commands.ts'

/** So many times the real process is killed by SIGKILL while it changes statuses. */
const KILLS = 25
const ANOMALIES_AT_ONCE = 8

/** `npm run api` as a process of its own. */
async function startProcess(t: Scope, url: string): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'api'], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATABASE_URL: url,
      API_KEY: KEY,
      PORT: '0',
      RATE_LIMIT_WRITE: '1000000',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let log = ''
  child.stderr!.on('data', (data) => {
    log += data
  })
  const address = await until(() => /"url":"([^"]+)"/.exec(log)?.[1], {
    what: 'the API to listen',
    seconds: 30,
  })
  return { child, address }
}

/**
 * Changes statuses one after another until the process is gone.
 * @param told is called whenever one was told to be done
 */
async function changeUntilGone(address: string, id: string, told: () => void): Promise<void> {
  for (let done = 0; ; done++) {
    const new_status = done % 2 === 0 ? 'FRAUD' : 'DISMISSED'
    try {
      const answer = await fetch(`${address}${ANOMALIES}/${id}`, {
        method: 'PUT',
        headers: { 'X-API-Key': KEY, ...JSON_TYPE },
        body: JSON.stringify({ new_status }),
      })
      assert.equal(answer.status, 200)
      told()
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      return
    }
  }
}

/** Of each anomaly: its status, and what the audit and the labels say last. */
const states = (url: string) =>
  query<{ status: string; audited: string; changes: number; label: boolean | null }>(
    url,
    `SELECT t.status, a.new_status AS audited, a.changes, l.is_fraud AS label
     FROM transactions t
     CROSS JOIN LATERAL (
       SELECT coalesce((array_agg(new_status ORDER BY seq DESC))[1], 'NEW') AS new_status, count(*) AS changes
       FROM status_audit a WHERE a.transaction_id = t.transaction_id) a
     LEFT JOIN last_labels l ON l.transaction_id = t.transaction_id`,
  )

test(`a process that is killed leaves a status with its audit row and label, or neither: ${KILLS} kills`, async (t) => {
  const url = await freshDatabase(t)
  const ids = Array.from({ length: ANOMALIES_AT_ONCE }, (_, i) => `T-${i}`)
  await insert(
    url,
    ids.map((id) => ({ id })),
  )
  const verdicts: Record<string, boolean | null> = { NEW: null, FRAUD: true, DISMISSED: false }
  let told = 0
  let changes = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, address } = await startProcess(t, url)
    const before = told
    const changing = ids.map((id) => changeUntilGone(address, id, () => told++))
    // A slow machine takes long for the first ones. When one is told its second something was changed.
    await until(() => told > before + ids.length, { what: 'changes', seconds: 30 })
    await sleep(randomInt(100))
    child.kill('SIGKILL')
    await once(child, 'exit')
    await Promise.all(changing)
    // A statement that was under way may end after its client.
    await until(
      async () =>
        (
          await query(
            url,
            `SELECT 1 FROM pg_stat_activity WHERE application_name = 'weir-api' AND datname = current_database()`,
          )
        ).length === 0,
      { what: 'the killed process to be noticed' },
    )
    const all = await states(url)
    for (const { status, audited, label } of all) {
      assert.equal(audited, status)
      assert.equal(label, verdicts[status])
    }
    changes = all.reduce((sum, row) => sum + row.changes, 0)
  }
  assert.ok(changes >= KILLS, `${changes} changes`)
  t.diagnostic(`${changes} changes; ${told} calls were told that it has the status now`)
  // The first change of each round may say what is so already.
  assert.ok(changes <= told + KILLS * ANOMALIES_AT_ONCE && changes >= told - KILLS * ANOMALIES_AT_ONCE)
  const verified = await runCommand(url, 'audit', 'verify', '--json')
  assert.equal(verified.code, 0, verified.out)
  assert.equal(verified.json().rows, changes)
})
