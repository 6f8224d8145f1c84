import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { createLogger } from '../../schemas/log.ts'
import { migrate } from '../../schemas/migrate.ts'
import { emptyDatabase, freshDatabase, query } from '../harness.ts'
import { describeSchema } from '../schema-description.ts'

const log = createLogger('test', 'silent')
const golden = new URL('../fixtures/schema.golden.txt', import.meta.url)

describe('migrate', () => {
  test('makes the schema of the golden copy', async (t) => {
    const described = await describeSchema(await freshDatabase(t))
    // To renew it after a new migration: UPDATE_GOLDEN=1 npm test -- migrate, and read the difference.
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, described)
    assert.equal(described, readFileSync(golden, 'utf8'))
  })

  test('names what it did, and twice does no harm', async (t) => {
    const database = await emptyDatabase(t)
    const done = await migrate(database, log)
    assert.equal(done[0], '0001_transactions')
    const before = await describeSchema(database)
    assert.deepEqual(await migrate(database, log), [])
    assert.equal(await describeSchema(database), before)
  })

  test('at the same time in several processes: one does it, the others wait and succeed', async (t) => {
    const database = await emptyDatabase(t)
    const all = await Promise.all(Array.from({ length: 4 }, () => migrate(database, log)))
    const [worked, ...waited] = all.toSorted((a, b) => b.length - a.length)
    assert.ok(worked.length > 0)
    assert.deepEqual(waited, [[], [], []])
    assert.equal(await describeSchema(database), readFileSync(golden, 'utf8'))
  })

  test('that fails leaves nothing behind', async (t) => {
    const database = await emptyDatabase(t)
    // In the way of a later migration, so that earlier ones have run when it fails.
    await query(database, 'CREATE TABLE status_audit (id int)')
    await assert.rejects(migrate(database, log), /status_audit/)
    const tables = await query<{ tablename: string }>(
      database,
      `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'`,
    )
    assert.deepEqual(tables, [{ tablename: 'status_audit' }])
    await query(database, 'DROP TABLE status_audit')
    assert.equal((await migrate(database, log))[0], '0001_transactions')
  })

  test('refuses a database that a newer version has migrated', async (t) => {
    const database = await freshDatabase(t)
    await query(database, `INSERT INTO migrations (name, run_on) VALUES ('9999_from_the_future', now())`)
    await assert.rejects(
      migrate(database, log),
      /newer than this version of Weir: it has 9999_from_the_future/,
    )
  })

  test('gives the same moments whatever the time zone of the session', async (t) => {
    const database = await freshDatabase(t)
    await query(
      database,
      `ALTER DATABASE "${new URL(database).pathname.slice(1)}" SET timezone = 'Europe/Helsinki'`,
    )
    for (const month of ['2026-03-15', '2026-10-31T23:30:00Z', '2026-12-31T23:59:59Z'])
      await query(database, 'SELECT ensure_transactions_partition($1)', [month])
    const bounds = await query<{ name: string; bound: string }>(
      database,
      `SELECT relname AS name, pg_get_expr(relpartbound, oid) AS bound FROM pg_class
       WHERE relispartition AND relkind = 'r' ORDER BY relname`,
    )
    assert.deepEqual(
      bounds.map(({ name }) => name),
      ['transactions_2026_03', 'transactions_2026_10', 'transactions_2026_12'],
    )
    const moments = bounds.map(({ bound }) =>
      [...bound.matchAll(/'([^']+)'/g)].map((match) => new Date(match[1]).toISOString()),
    )
    assert.deepEqual(moments, [
      ['2026-03-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z'],
      ['2026-10-01T00:00:00.000Z', '2026-11-01T00:00:00.000Z'],
      ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ])
  })
})
