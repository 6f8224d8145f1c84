import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPool } from '../../schemas/database.ts'
import { rememberSource } from '../../schemas/setting-values.ts'
import { freshDatabase, type Scope } from '../harness.ts'
import { quiet } from '../support/topics.ts'

/** A pool whose DATABASE_URL comes from a file that has the wrong password until it was read so many times. */
async function poolWith(t: Scope, readsOfTheWrongOne: number) {
  const url = await freshDatabase(t)
  const wrong = new URL(url)
  wrong.password = 'the-one-before'
  let reads = 0
  rememberSource('DATABASE_URL', wrong.href, () => (reads++ < readsOfTheWrongOne ? wrong.href : url))
  const pool = createPool({ connectionString: wrong.href, application_name: 'weir-test', size: 1 }, quiet)
  t.after(() => pool.end())
  reads = 0 // what came before was no connection
  return { pool, reads: () => reads }
}

test('a password that is being changed is read once more: nobody who comes in between is refused', async (t) => {
  const { pool, reads } = await poolWith(t, 1)
  const client = await pool.connect()
  client.release()
  assert.equal(reads(), 2)
})

test('a query that asks the pool itself is not refused either', async (t) => {
  const { pool } = await poolWith(t, 1)
  assert.deepEqual((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])
  assert.equal(pool.idleCount, 1, 'the connection came back')
})

test('a password that is wrong is tried no third time', async (t) => {
  const { pool, reads } = await poolWith(t, 9)
  await assert.rejects(pool.connect(), { code: '28P01' })
  await assert.rejects(pool.query('SELECT 1'), { code: '28P01' })
  assert.equal(reads(), 4)
})
