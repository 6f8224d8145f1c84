import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import type pg from 'pg'
import { verify } from '../../api/audit/verify.ts'
import { auditHead, auditPages } from '../../api/sql/audit.ts'
import type { Query } from '../../api/sql/database.ts'
import { look } from '../../deploy/roles/findings.ts'
import { newPassword, PasswordFiles } from '../../deploy/roles/password-files.ts'
import { rotate } from '../../deploy/roles/rotate.ts'
import { createClient, withClient } from '../../schemas/database.ts'
import { migrate } from '../../schemas/migrate.ts'
import { ROLE_NAMES } from '../../schemas/roles/roles.ts'
import { query, type Scope } from '../harness.ts'
import { describeSchema } from '../schema-description.ts'
import {
  databaseWithRoles,
  type RolesServer,
  rolesServer,
  suiteServer,
  withDatabase,
} from '../support/roles.ts'
import { quiet } from '../support/topics.ts'
import { insert } from './api-rows.ts'
import { runCommand } from './commands.ts'

const connected = <T>(url: string, use: (client: pg.Client) => Promise<T>) =>
  withClient({ connectionString: url, application_name: 'weir-test' }, use)

const findingsOf = async (url: string) =>
  (await connected(url, (client) => look(client))).findings.map(({ kind, message }) => `${kind} ${message}`)

/** Up to the last migration without roles, as whoever the URL is. */
async function migrateWithoutRoles(t: Scope, url: string): Promise<void> {
  const all = fileURLToPath(new URL('../../schemas/sql', import.meta.url))
  const dir = mkdtempSync(join(tmpdir(), 'weir-migrations-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const file of readdirSync(all).filter((name) => name < '0020'))
    copyFileSync(join(all, file), join(dir, file))
  const logger = { info() {}, warn() {}, error() {}, debug() {} }
  await connected(url, (dbClient) =>
    runner({
      dbClient,
      dir,
      direction: 'up',
      migrationsTable: 'migrations',
      singleTransaction: true,
      logger,
    }),
  )
}

/** A few rows, as they come to be. */
async function fill(url: string): Promise<void> {
  await insert(url, [
    { id: 'T-1', time: '2026-10-05T09:30:00Z' },
    { id: 'T-2', time: '2026-11-05T09:30:00Z', account: 'ACC-2' },
    { id: 'T-3', score: 0.1 },
  ])
  await query(
    url,
    `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, actor, request_id)
     SELECT transaction_id, timestamp, 'NEW', 'FRAUD', 'test', 'r' FROM transactions WHERE is_anomaly`,
  )
  await query(
    url,
    `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
     SELECT transaction_id, timestamp, true, 'test', now() FROM transactions WHERE is_anomaly`,
  )
}

/** How many rows of each kind, and whether the audit is whole. */
const contents = (url: string) =>
  connected(url, async (client) => {
    const run: Query = async (text, values) => (await client.query(text, values)).rows
    await run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const { findings } = await verify(auditPages(run), await auditHead(run), [])
    const [counts] = await run<Record<string, number>>(
      `SELECT (SELECT count(*) FROM transactions) AS transactions, (SELECT count(*) FROM labels) AS labels,
              (SELECT count(*) FROM status_audit) AS audit`,
    )
    await run('COMMIT')
    return { ...counts, findings: findings.length }
  })

/** A client whose connection breaks at COMMIT: after the server has done it, or before. */
function losingCommit(client: pg.Client, isDone: boolean): pg.Client {
  const ask = async (text: string, values?: unknown[]) => {
    if (text !== 'COMMIT') return client.query(text, values)
    await client.query(isDone ? 'COMMIT' : 'ROLLBACK')
    throw new Error('Connection terminated unexpectedly')
  }
  return { query: ask } as unknown as pg.Client
}

const FILLED = { transactions: 3, labels: 2, audit: 2, findings: 0 }

describe('roles', () => {
  let server: RolesServer
  suiteServer(async (started) => {
    server = started
    // So that a password in a statement would be seen.
    await query(server.adminOf('postgres'), `ALTER SYSTEM SET log_statement = 'all'`)
    await query(server.adminOf('postgres'), 'SELECT pg_reload_conf()')
    await databaseWithRoles(server, 'bank')
  })

  test('are made from nothing with passwords of their own, and are as designed once the owner has migrated', async () => {
    const files = new PasswordFiles(server.secrets)
    for (const role of ROLE_NAMES) {
      assert.match(files.read(role)!, /^[\w-]{43}$/)
      assert.equal(statSync(join(server.secrets, role)).mode & 0o777, 0o600)
      const [{ name }] = await query<{ name: string }>(
        server.urlOf(role, 'bank'),
        'SELECT current_user AS name',
      )
      assert.equal(name, role)
    }
    // Any of them can ask.
    assert.deepEqual(await findingsOf(server.urlOf('fraud_metrics', 'bank')), [])
    assert.equal(new Set(ROLE_NAMES.map((role) => files.read(role))).size, ROLE_NAMES.length)
  })

  test('are left as they are by a second run, their passwords and what was set by hand too', async () => {
    const admin = server.adminOf('bank')
    await query(admin, 'ALTER ROLE fraud_analyst CONNECTION LIMIT 7')
    await query(admin, `ALTER ROLE fraud_analyst SET statement_timeout = '1min'`)
    const verifiers = () =>
      query(admin, `SELECT rolname, rolpassword FROM pg_authid WHERE rolname ~ '^fraud_' ORDER BY 1`)
    const before = await verifiers()
    const { made, changed, passwords, granted, revoked } = await server.applyRoles('bank')
    assert.deepEqual([made, changed, passwords, granted, revoked], [[], [], [], [], []])
    assert.deepEqual(await verifiers(), before)
    const { rows } = await connected(admin, (client) =>
      client.query(`SELECT rolconnlimit, rolconfig FROM pg_roles WHERE rolname = 'fraud_analyst'`),
    )
    assert.equal(rows[0].rolconnlimit, 7)
    assert.ok(rows[0].rolconfig.includes('statement_timeout=1min'), rows[0].rolconfig)
    assert.deepEqual(await findingsOf(admin), [])

    writeFileSync(join(server.secrets, 'fraud_analyst'), 'a-password-that-was-brought-along\n')
    assert.deepEqual(
      (await server.applyRoles('bank', { connections: new Map([['fraud_analyst', 9]]) })).passwords,
      ['fraud_analyst'],
    )
    await query(server.urlOf('fraud_analyst', 'bank'), 'SELECT 1')
    const limit = await query(admin, `SELECT rolconnlimit AS n FROM pg_roles WHERE rolname = 'fraud_analyst'`)
    assert.deepEqual(limit, [{ n: 9 }])
  })

  test('are told where they differ from their design, and brought back', async () => {
    const admin = server.adminOf('bank')
    for (const sql of [
      'GRANT UPDATE ON transactions TO fraud_api',
      'REVOKE SELECT ON labels FROM fraud_trainer',
      'GRANT SELECT ON api_keys TO PUBLIC',
      'GRANT EXECUTE ON FUNCTION drop_transactions_month TO PUBLIC',
      'GRANT CREATE ON SCHEMA public TO fraud_detector',
      'GRANT fraud_owner TO fraud_operator',
      'CREATE ROLE alice',
      'GRANT fraud_owner TO alice',
      'GRANT SELECT ON labels TO fraud_api WITH GRANT OPTION',
      'SET ROLE fraud_api; GRANT SELECT ON labels TO alice',
      'ALTER ROLE fraud_backup CREATEDB',
      'ALTER ROLE fraud_metrics RESET lock_timeout',
      `COMMENT ON ROLE fraud_retention IS 'Weir: password set 2025-01-01T00:00:00.000Z'`,
      'CREATE TABLE of_another (id int)',
      'ALTER FUNCTION chain_audit RESET search_path',
    ])
      await query(admin, sql)
    const { findings } = await connected(admin, (client) => look(client, new Date('2026-11-30')))
    assert.deepEqual(
      findings.map(({ kind, message }) => `${kind} ${message}`).toSorted(),
      [
        'extra PUBLIC: EXECUTE on drop_transactions_month',
        'extra PUBLIC: SELECT on api_keys',
        'extra fraud_api: SELECT on labels WITH GRANT OPTION',
        'extra fraud_api: UPDATE on transactions',
        'function chain_audit runs as its owner without a search_path',
        'member alice is a member of fraud_owner',
        'member fraud_operator is a member of fraud_owner',
        'missing fraud_trainer: SELECT on labels',
        'owner 1 tables and views belong to postgres, not to fraud_owner',
        'password the password of fraud_retention is 698 days old, 180 at most: rotate it',
        'create fraud_detector may create things in the schema public',
        'create fraud_operator may create things in the schema public',
        'role fraud_backup is CREATEDB',
        'role fraud_metrics has no lock_timeout',
      ].toSorted(),
    )
    const told = await runCommand(server.urlOf('fraud_metrics', 'bank'), 'roles', 'show', '--json')
    assert.equal(told.code, 1, told.errors)
    assert.equal(told.json().as_designed, false)

    const applied = await server.applyRoles('bank')
    assert.deepEqual(applied.changed, ['fraud_backup', 'fraud_metrics'])
    assert.deepEqual(
      applied.granted,
      ['fraud_trainer: SELECT on labels', 'fraud_api: UPDATE (status) on transactions'].toSorted(),
    )
    // What is left is told, and keeps nobody from starting.
    const again = await runCommand(admin, 'roles', 'apply', '--json')
    assert.equal(again.code, 0, again.errors)
    assert.deepEqual(
      again
        .json()
        .findings.map(({ kind }: { kind: string }) => kind)
        .toSorted(),
      ['create', 'create', 'function', 'member', 'member', 'owner', 'password'],
    )
    for (const sql of [
      'REVOKE CREATE ON SCHEMA public FROM fraud_detector',
      'REVOKE fraud_owner FROM fraud_operator',
      'DROP ROLE alice',
      'COMMENT ON ROLE fraud_retention IS NULL',
      'DROP TABLE of_another',
      'ALTER FUNCTION chain_audit SET search_path = public, pg_temp',
    ])
      await query(admin, sql)
    assert.deepEqual(await findingsOf(admin), [])
  })

  test('rotate: connections that there are go on, new ones need the password that is in the file', async (t) => {
    const old = server.urlOf('fraud_api', 'bank')
    const held = createClient({ connectionString: old, application_name: 'weir-test' })
    t.after(() => held.end())
    await held.connect()
    const urlFile = join(server.secrets, 'fraud_api.url')
    writeFileSync(urlFile, `${old}\n`, { mode: 0o600 })
    const rotated = await runCommand(
      server.adminOf('bank'),
      'roles',
      'rotate',
      'fraud_api',
      '--passwords',
      server.secrets,
      '--json',
    )
    assert.equal(rotated.code, 0, rotated.errors)
    assert.deepEqual(rotated.json(), { role: 'fraud_api', sessions: 1 })

    assert.equal((await held.query('SELECT count(*) AS n FROM transactions')).rows[0].n, 0)
    await assert.rejects(query(old, 'SELECT 1'), { code: '28P01' })
    const fresh = server.urlOf('fraud_api', 'bank')
    assert.notEqual(fresh, old)
    await query(fresh, 'SELECT count(*) FROM transactions')
    assert.equal(readFileSync(urlFile, 'utf8').trim(), fresh)
    rmSync(urlFile)

    const unknown = await runCommand(
      server.adminOf('bank'),
      'roles',
      'rotate',
      'fraud_boss',
      '--passwords',
      server.secrets,
    )
    assert.equal(unknown.code, 1)
    assert.match(unknown.errors, /fraud_boss.*Allowed choices are fraud_owner, fraud_api/s)
    const byItself = await runCommand(fresh, 'roles', 'apply')
    assert.equal(byItself.code, 1)
    assert.match(byItself.errors, /fraud_api \(DATABASE_URL\) may not make roles: use a superuser/)
    // A rotation that fails leaves the file as it was.
    const refused = await runCommand(
      server.urlOf('fraud_operator', 'bank'),
      'roles',
      'rotate',
      'fraud_api',
      '--passwords',
      server.secrets,
    )
    assert.equal(refused.code, 1)
    assert.match(refused.errors, /permission denied to alter role/)
    assert.equal(server.urlOf('fraud_api', 'bank'), fresh)
  })

  test('what apply could not put right is an exit code of 1', async () => {
    const admin = server.adminOf('bank')
    await query(admin, 'CREATE ROLE bob')
    await query(admin, 'GRANT CONNECT ON DATABASE bank TO bob WITH GRANT OPTION')
    await query(admin, 'SET ROLE bob; GRANT CONNECT ON DATABASE bank TO PUBLIC')
    const { code, errors, json } = await runCommand(admin, 'roles', 'apply', '--json')
    assert.equal(code, 1, errors)
    assert.deepEqual(json().findings, [{ kind: 'public', message: 'PUBLIC: CONNECT on the database' }])
    await query(admin, 'REVOKE CONNECT ON DATABASE bank FROM bob CASCADE')
    await query(admin, 'DROP ROLE bob')
    assert.deepEqual(await findingsOf(admin), [])
  })

  test('rotate: where the answer to COMMIT is lost, the file has the password that counts', async () => {
    const files = new PasswordFiles(server.secrets)
    for (const isDone of [true, false]) {
      const before = files.read('fraud_metrics')
      const rotated = connected(server.adminOf('bank'), (client) =>
        rotate(losingCommit(client, isDone), 'fraud_metrics', files, server.adminOf('bank')),
      )
      if (isDone) assert.deepEqual(await rotated, { role: 'fraud_metrics', sessions: 0 })
      else await assert.rejects(rotated, /Connection terminated unexpectedly/)
      assert.equal(files.read('fraud_metrics') === before, !isDone)
      await query(server.urlOf('fraud_metrics', 'bank'), 'SELECT 1')
    }
    // Nobody can tell while the server is away: then neither is lost.
    const away = new URL(server.adminOf('bank'))
    away.port = '1'
    const before = files.read('fraud_metrics')
    const unknown = connected(server.adminOf('bank'), (client) =>
      rotate(losingCommit(client, true), 'fraud_metrics', files, away.href, 1),
    )
    await assert.rejects(
      unknown,
      /could not be learnt\. It is in .*fraud_metrics, the one before in .*fraud_metrics\.old/,
    )
    const kept = join(server.secrets, 'fraud_metrics.old')
    assert.equal(readFileSync(kept, 'utf8').trim(), before)
    rmSync(kept)
    await query(server.urlOf('fraud_metrics', 'bank'), 'SELECT 1')
  })

  test('no password is in the server’s log, though every statement is', async () => {
    const log = readFileSync(server.log, 'utf8')
    assert.match(log, /ALTER ROLE "?fraud_api"? PASSWORD 'SCRAM-SHA-256\$4096:/)
    for (const role of ROLE_NAMES)
      assert.ok(!log.includes(new PasswordFiles(server.secrets).read(role)!), role)
  })

  test('the owner migrates from 0019 with rows, without being a superuser', async (t) => {
    await query(server.adminOf('postgres'), 'CREATE DATABASE upgraded TEMPLATE template0')
    await server.applyRoles('upgraded')
    const url = server.urlOf('fraud_owner', 'upgraded')
    await migrateWithoutRoles(t, url)
    await fill(url)
    assert.equal((await migrate(url, quiet))[0], '0020_least_privilege')
    assert.deepEqual(await contents(url), FILLED)
    assert.deepEqual(await findingsOf(url), [])
  })

  test('tables of another owner are handed over only when that is asked for, and the roles work then', async (t) => {
    await query(server.adminOf('postgres'), 'CREATE DATABASE single TEMPLATE template0 OWNER weir')
    const single = withDatabase(server.single, 'single')
    await migrateWithoutRoles(t, single)
    await fill(single)
    await assert.rejects(server.applyRoles('single'), /the tables are weir's\. --take-over hands them/)
    const asOwner = server.urlOf('fraud_owner', 'single')
    const { taken_over } = await server.applyRoles('single', { takeOver: true })
    assert.equal(taken_over?.from, 'weir')
    assert.ok(taken_over.things > 20, String(taken_over.things))
    await assert.rejects(query(single, 'SELECT FROM transactions'), { code: '42501' })
    await assert.rejects(migrate(single, quiet), /the tables are fraud_owner's, and this is weir/)
    assert.equal((await migrate(asOwner, quiet))[0], '0020_least_privilege')
    assert.deepEqual(await contents(asOwner), FILLED)
    await insert(server.urlOf('fraud_detector', 'single'), [{ id: 'T-4', time: '2026-12-05T09:30:00Z' }])
    await query(
      server.urlOf('fraud_api', 'single'),
      `UPDATE transactions SET status = 'FRAUD' WHERE transaction_id = 'T-4'`,
    )
    assert.deepEqual(await findingsOf(asOwner), [])
  })

  test('an installation of one role beside them has the schema of the golden copy', async () => {
    await query(server.adminOf('postgres'), 'CREATE DATABASE plain TEMPLATE template0 OWNER weir')
    const plain = withDatabase(server.single, 'plain')
    await migrate(plain, quiet)
    const golden = readFileSync(new URL('../fixtures/schema.golden.txt', import.meta.url), 'utf8')
    assert.equal(await describeSchema(plain), golden)
  })
})

test('an administrator who is no superuser makes the roles of his database, and stays what he was', async (t) => {
  const server = await rolesServer(t)
  const root = server.adminOf('postgres')
  await query(root, `CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'the-password-of-the-dba'`)
  await query(root, 'CREATE DATABASE managed TEMPLATE template0 OWNER dba')
  const dba = withDatabase(server.single, 'managed').replace(/\/\/[^@]*@/, '//dba:the-password-of-the-dba@')
  const apply = () =>
    runCommand(
      dba,
      'roles',
      'apply',
      '--passwords',
      server.secrets,
      '--urls',
      '--connections',
      'fraud_api=50',
      '--json',
    )
  const first = await apply()
  // Only a superuser gives the right to the server's statistics, which nothing of Weir waits for.
  assert.equal(first.code, 0, first.errors)
  assert.deepEqual(first.json().notes, ['a superuser has to run: GRANT pg_read_all_stats TO fraud_metrics'])
  assert.deepEqual(first.json().made, ROLE_NAMES)
  assert.deepEqual([first.json().is_migrated, first.json().findings], [false, []])

  const urlOf = (role: string) => readFileSync(join(server.secrets, `${role}.url`), 'utf8').trim()
  const migrated = await runCommand(urlOf('fraud_owner'), 'migrate')
  assert.equal(migrated.code, 0, migrated.errors)
  await query(root, 'GRANT pg_read_all_stats TO fraud_metrics')
  const times = () =>
    query<{ name: string; note: string }>(
      root,
      `SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS note FROM pg_roles WHERE rolname ~ '^fraud_' ORDER BY 1`,
    )
  const made = await times()
  writeFileSync(join(server.secrets, 'fraud_analyst'), `${newPassword()}\n`)
  const second = await apply()
  assert.equal(second.code, 0, second.errors + second.out)
  assert.deepEqual(second.json().granted, [])
  assert.deepEqual(second.json().notes, [])
  assert.deepEqual(second.json().findings, [])
  // He may not see what passwords there are: those that are the same have the age that they had.
  assert.deepEqual(second.json().passwords, ['fraud_analyst'])
  const changed = (await times()).filter(({ note }, index) => note !== made[index].note)
  assert.deepEqual(
    changed.map(({ name }) => name),
    ['fraud_analyst'],
  )
  await query(urlOf('fraud_analyst'), 'SELECT 1')
  assert.deepEqual(await findingsOf(urlOf('fraud_api')), [])
  const [{ may }] = await query<{ may: boolean }>(dba, `SELECT pg_has_role('fraud_owner', 'USAGE') AS may`)
  assert.equal(may, false)
  const [{ n }] = await query<{ n: number }>(
    dba,
    `SELECT rolconnlimit AS n FROM pg_roles WHERE rolname = 'fraud_api'`,
  )
  assert.equal(n, 50)
})
