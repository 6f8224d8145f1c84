import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultArtifact } from '../../pipeline/models/model.ts'
import { storeModel } from '../../pipeline/models/store.ts'
import { loadRules } from '../../pipeline/rules/rules.ts'
import { storeRuleSet } from '../../pipeline/rules/store.ts'
import { withClient } from '../../schemas/database.ts'
import { json } from '../unit/api-app.ts'
import { open } from './api-rows.ts'
import { insertAnomalies } from './queue-rows.ts'

test('counts are by status, reason and hour, and tell how old the queue is', async (t) => {
  const now = () => Date.parse('2026-11-24T10:15:00.000Z')
  const { call, url } = await open(t, [{ id: 'normal', score: 0.1 }], { deps: { now } })
  await insertAnomalies(url, [
    { id: 'a', time: '2026-11-24T10:00:00.000Z', codes: ['MODEL'] },
    { id: 'b', time: '2026-11-24T09:59:59.999Z', codes: ['MODEL', 'HIGH_AMOUNT'] },
    { id: 'c', time: '2026-11-23T11:00:00.000Z', status: null },
    { id: 'd', time: '2026-11-23T10:59:59.999Z', status: 'FRAUD' },
    { id: 'e', time: '2026-10-01T00:00:00.000Z', status: 'DISMISSED', codes: ['MODEL'] },
    { id: 'ahead', time: '2026-11-24T11:00:00.000Z', status: 'INVESTIGATED' },
  ])
  const stats = await json(call('GET', '/api/v1/stats'))
  assert.equal(stats.total, 6)
  assert.deepEqual(stats.by_status, [
    { status: 'NEW', count: 3 },
    { status: 'INVESTIGATED', count: 1 },
    { status: 'FRAUD', count: 1 },
    { status: 'DISMISSED', count: 1 },
  ])
  assert.deepEqual(
    stats.by_reason.toSorted((a: { reason: string }, b: { reason: string }) =>
      a.reason < b.reason ? -1 : 1,
    ),
    [
      { reason: 'HIGH_AMOUNT', count: 3 },
      { reason: 'MODEL', count: 3 },
    ],
  )
  assert.equal(stats.by_hour.length, 24)
  assert.deepEqual(stats.by_hour[0], { hour: '2026-11-23T11:00:00.000Z', count: 1 })
  assert.deepEqual(stats.by_hour.slice(-2), [
    { hour: '2026-11-24T09:00:00.000Z', count: 1 },
    { hour: '2026-11-24T10:00:00.000Z', count: 1 },
  ])
  assert.deepEqual(stats.queue, {
    waiting: 3,
    oldest: '2026-11-23T11:00:00.000Z',
    oldest_age_seconds: 83_700,
  })
})

test('without anomalies all counts are 0 and the queue has no age', async (t) => {
  const { call } = await open(t, [])
  const stats = await json(call('GET', '/api/v1/stats'))
  assert.equal(stats.total, 0)
  assert.deepEqual(stats.queue, { waiting: 0, oldest: null, oldest_age_seconds: null })
  assert.equal(stats.by_hour.length, 24)
})

test('the rules are told as the pipelines began with them, those of the last start in force', async (t) => {
  const { call, url } = await open(t, [])
  assert.deepEqual(await json(call('GET', '/api/v1/rules')), { in_force: null, data: [], count: 0 })
  const shipped = loadRules()
  const other = { version: 'rules-other', rules: shipped.rules.slice(1) }
  await withClient({ connectionString: url, application_name: 'weir-test' }, async (client) => {
    await storeRuleSet(client, shipped)
    await storeRuleSet(client, other)
  })
  const versions = async () => {
    const { in_force, data } = await json(call('GET', '/api/v1/rules'))
    assert.equal(in_force, data[0].version)
    return data.map((set: { version: string }) => set.version)
  }
  assert.deepEqual(await versions(), ['rules-other', shipped.version])
  await withClient({ connectionString: url, application_name: 'weir-test' }, (client) =>
    storeRuleSet(client, shipped),
  )
  assert.deepEqual(await versions(), [shipped.version, 'rules-other'])
  const [{ rules }] = (await json(call('GET', '/api/v1/rules'))).data
  const { code, score, when, message } = shipped.rules[0]
  assert.deepEqual(rules[0], { code, score, when, message })
})

test('the models are told without their artifacts, the one in force first', async (t) => {
  const { call, url } = await open(t, [])
  assert.deepEqual(await json(call('GET', '/api/v1/models')), { in_force: null, data: [], count: 0 })
  const version = await withClient(
    { connectionString: url, application_name: 'weir-test' },
    async (client) => {
      const stored = await storeModel(client, defaultArtifact())
      await client.query('UPDATE models SET is_active = TRUE, activated_at = now()')
      return stored
    },
  )
  const models = await json(call('GET', '/api/v1/models'))
  assert.equal(models.in_force, version)
  assert.equal(models.data[0].is_active, true)
  assert.equal(models.data[0].artifact, undefined)
})
