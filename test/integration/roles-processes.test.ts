import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApi } from '../../api/main.ts'
import type { Entry } from '../../pipeline/dead-letters/entries.ts'
import { lockReplays, readReplays, recordReplays } from '../../pipeline/dead-letters/replays.ts'
import { withClient } from '../../schemas/database.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { query, testSettings, until } from '../harness.ts'
import { label, untilLabels } from '../support/labels.ts'
import { runningPipeline, runToEnd, untilCheckpointed, untilProcessed } from '../support/pipelines.ts'
import { databaseWithRoles, rolesServer } from '../support/roles.ts'
import { simulated } from '../support/simulated.ts'
import { quiet, sendLabels, sendTransactions } from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'
import { json, KEY } from '../unit/api-app.ts'
import { JSON_TYPE } from './api-rows.ts'
import { runCommand } from './commands.ts'

test('pipeline, API and every command do their work as their roles', async (t) => {
  const server = await rolesServer(t)
  await databaseWithRoles(server, 'bank')
  const urlOf = (role: Parameters<typeof server.urlOf>[0]) => server.urlOf(role, 'bank')
  const count = async (from: string) =>
    (await query<{ n: number }>(server.adminOf('bank'), `SELECT count(*) AS n FROM ${from}`))[0].n

  await t.test(
    'the pipeline stores, leaves out, labels, builds references, saves its state, and comes back',
    async (t) => {
      const settings = await testSettings(t, {
        DATABASE_URL: urlOf('fraud_detector'),
        CHECKPOINT_SECONDS: '1',
        LABEL_DELAY_DAYS: '2',
      })
      const sent = simulated(3000, 5)
      const invalid = transaction({ transaction_id: 'invalid', amount: -1 })
      await sendTransactions(settings, [...sent.slice(0, 2000), invalid, ...sent.slice(0, 100)])
      await sendLabels(settings, [
        label({ transaction_id: sent[0].transaction_id, timestamp: sent[0].timestamp }),
      ])
      {
        await using pipeline = await runningPipeline(settings)
        await untilProcessed(settings, { pipeline })
        await untilLabels(server.adminOf('bank'), 1)
        await untilCheckpointed(settings)
      }
      assert.equal(await count('transactions'), 2000)
      assert.equal(await count('skipped'), 101)
      assert.ok((await count('reference_days')) > 0)
      // The first start puts the shipped model in force, and that is audited, though the role can do neither by itself.
      assert.equal(await count('models WHERE is_active'), 1)
      assert.equal(await count(`status_audit WHERE action = 'model.activate' AND actor = 'pipeline'`), 1)
      await sendTransactions(settings, sent.slice(2000))
      await runToEnd(settings)
      assert.equal(await count('transactions'), 3000)
    },
  )

  await t.test('the API serves all of its calls, and counts them in the database', async (t) => {
    const { out: made, errors } = await runCommand(
      urlOf('fraud_operator'),
      'keys',
      'create',
      '--name',
      'Branch',
      '--scopes',
      'admin',
    )
    const key = made.trim()
    assert.match(key, /^weir_/, errors)
    const settings = loadSettings(['DATABASE_URL'], {
      DATABASE_URL: urlOf('fraud_api'),
      API_KEY: KEY,
      PORT: '0',
      NODE_ENV: 'test',
      RATE_LIMIT_STORE: 'postgres',
      AUDIT_VERIFY_HOURS: '0.0002',
    })
    const api = await startApi({ settings, log: quiet })
    t.after(() => api.stop())
    const call = (path: string, init: RequestInit = {}) =>
      fetch(api.url + path, { ...init, headers: { 'X-API-Key': key, ...JSON_TYPE } })
    const { data } = await json(call('/api/v1/anomalies?limit=10'))
    const [first, ...others] = data
    const item = `/api/v1/anomalies/${first.transaction_id}`
    for (const path of [
      '/health',
      '/health/ready',
      '/metrics',
      '/api/v1/anomalies?order=loss&status=NEW',
      `/api/v1/anomalies?account=${first.account_id}&reason=${first.alert_reason}`,
      '/api/v1/anomalies/export?format=csv',
      item,
      `/api/v1/accounts/${first.account_id}/transactions`,
      '/api/v1/stats',
      '/api/v1/rules',
      '/api/v1/models',
    ]) {
      const answer = await call(path)
      assert.equal(answer.status, 200, `${path}: ${await answer.text()}`)
    }
    const put = await call(item, { method: 'PUT', body: '{"new_status":"FRAUD","note":"seen"}' })
    assert.equal(put.status, 200, await put.text())
    const back = await call(item, { method: 'PUT', body: '{"new_status":"NEW"}' })
    assert.equal(back.status, 200, await back.text())
    const transaction_ids = others.map((other: { transaction_id: string }) => other.transaction_id)
    const body = JSON.stringify({ transaction_ids, new_status: 'DISMISSED' })
    const bulk = await call('/api/v1/anomalies/status', { method: 'POST', body })
    assert.equal(bulk.status, 200, await bulk.text())
    assert.equal(await count(`status_audit WHERE action = 'status'`), 2 + others.length)
    assert.equal(await count(`labels WHERE origin LIKE 'analyst:%'`), 2 + others.length)
    assert.ok((await count('rate_limits')) > 0)
    await until(async () => (await count('api_keys WHERE last_used_at IS NOT NULL')) === 1, {
      what: 'the use of the key',
    })

    const isWatched = async () => {
      const page = await (await call('/metrics')).text()
      return page.includes('weir_audit_findings 0') && page.includes('weir_database_up 1')
    }
    await until(isWatched, { what: 'the audit to be followed, and the database to be asked' })

    const end = new AbortController()
    const stream = await call('/api/v1/stream', { signal: end.signal })
    assert.equal(stream.status, 200)
    end.abort()
  })

  await t.test(
    'the operator rotates keys, chooses the model, reads the audit and notes replays',
    async () => {
      const run = (...args: string[]) => runCommand(urlOf('fraud_operator'), ...args)
      const listed = await run('keys', 'list', '--json')
      const { id } = listed.json()
      const rotated = await run('keys', 'rotate', id)
      assert.equal(rotated.code, 0, rotated.errors)
      const revoked = await run('keys', 'revoke', id)
      assert.equal(revoked.code, 0, revoked.errors)

      const trained = await runCommand(urlOf('fraud_trainer'), 'train', '--simulate', '2000', '--json')
      assert.equal(trained.code, 0, trained.errors)
      const { version } = trained.json()
      const activated = await run('models', 'activate', version)
      assert.equal(activated.code, 0, activated.errors)
      const back = await run('models', 'rollback')
      assert.equal(back.code, 0, back.errors)

      const verified = await run('audit', 'verify', '--json')
      assert.equal(verified.code, 0, verified.errors)
      assert.equal(verified.json().whole, true)
      await withClient(
        { connectionString: urlOf('fraud_operator'), application_name: 'weir-test' },
        async (client) => {
          await lockReplays(client)
          const entry = { origin: 't/0/5', first: { digest: 'd' } } as Entry
          await recordReplays(client, [entry])
          await recordReplays(client, [entry])
          assert.equal((await readReplays(client)).get('t/0/5 d')?.replays, 2)
        },
      )
    },
  )

  await t.test(
    'the trainer learns from what is stored and tests on it, and puts nothing in force',
    async () => {
      const [{ from, to }] = await query<{ from: string; to: string }>(
        urlOf('fraud_trainer'),
        `SELECT to_char(min(timestamp), 'YYYY-MM-DD') AS "from", to_char(max(timestamp) + interval '1 day', 'YYYY-MM-DD') AS "to"
       FROM transactions`,
      )
      const run = (...args: string[]) =>
        runCommand(urlOf('fraud_trainer'), ...args, '--from', from, '--to', to, '--json')
      const trained = await run('train')
      assert.equal(trained.code, 0, trained.errors)
      const tested = await run('backtest')
      assert.equal(tested.code, 0, tested.errors)
      assert.equal(tested.json().rows, 3000)
      const active = await run('train', '--activate')
      assert.equal(active.code, 1)
      assert.match(active.errors, /permission denied for table models/)
    },
  )
})
