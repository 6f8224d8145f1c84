import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { query, until } from '../harness.ts'
import { ANOMALIES, open } from './api-rows.ts'

test('the gauges of the pool are right while it is used, after it, and when it was emptied', async (t) => {
  const { call, pool, url } = await open(t, [{ id: 'T' }], { env: { DATABASE_POOL_SIZE: '3' } })
  const gauges = async () => {
    const text = await (await call('GET', '/metrics')).text()
    const of = (name: string) => Number(text.split(`\n${name} `)[1]?.split('\n')[0])
    return {
      busy: of('weir_database_pool_connections{state="busy"}'),
      idle: of('weir_database_pool_connections{state="idle"}'),
      waiting: of('weir_database_pool_waiting'),
    }
  }
  assert.deepEqual(await gauges(), { busy: 0, idle: 0, waiting: 0 }, 'before the first call')

  const held: pg.PoolClient[] = []
  const hold = async () => held.push(await pool.connect())
  const release = () => {
    for (const client of held.splice(0)) client.release()
  }
  try {
    await hold()
    await hold()
    assert.deepEqual(await gauges(), { busy: 2, idle: 0, waiting: 0 })
    await hold()
    const late = call('GET', `${ANOMALIES}/T`)
    await until(async () => (await gauges()).waiting === 1, { what: 'a call to wait', seconds: 1 })
    assert.deepEqual(await gauges(), { busy: 3, idle: 0, waiting: 1 })

    release()
    assert.equal((await late).status, 200)
    assert.deepEqual(await gauges(), { busy: 0, idle: 3, waiting: 0 })
  } finally {
    release() // the pool ends when all are back
  }

  // As after a restart of the server: what was idle is gone.
  await query(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'weir-test-api'`,
  )
  await until(async () => (await gauges()).idle === 0, { what: 'the pool to be empty' })
  assert.deepEqual(await gauges(), { busy: 0, idle: 0, waiting: 0 })
  assert.equal((await call('GET', `${ANOMALIES}/T`)).status, 200)
  const { busy, idle, waiting } = await gauges()
  assert.deepEqual({ busy, waiting }, { busy: 0, waiting: 0 })
  assert.ok(idle >= 1 && idle <= 3, `${idle} idle`)
})
