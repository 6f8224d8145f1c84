import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createBackup } from '../../deploy/backup/create.ts'
import { chooseEncryption } from '../../deploy/backup/encryption.ts'
import { listBackups } from '../../deploy/backup/list.ts'
import { type Manifest, manifestOf, readManifest, verificationOf } from '../../deploy/backup/manifest.ts'
import { restoreBackup } from '../../deploy/backup/restore.ts'
import { verifyBackup } from '../../deploy/backup/verify.ts'
import { appendAudit } from '../../schemas/audit.ts'
import { query, type Scope, servers, until } from '../harness.ts'
import {
  databaseOn,
  directoryFor,
  type Keys,
  keysFor,
  NO_SYSTEM_POSTGRES,
  runBackup,
  SYSTEM_PROGRAMS,
  startCommand,
  systemPostgres,
  withoutPassword,
} from '../support/backups.ts'
import { insert } from './api-rows.ts'
import { connectedQuery } from './queries.ts'

const never = new AbortController().signal
const CANARY = 'ACC-canary-7f3a'

/** Incompressible, so that a dump is longer than any buffer on its way. */
const RANDOM_BYTES = `
  WITH saved AS (INSERT INTO checkpoints (topic, partition, position, state_version, accounts)
                 VALUES ('transactions', 0, 1, 'test', 1) RETURNING id)
  INSERT INTO checkpoint_pieces
  SELECT id, piece, (SELECT string_agg(decode(md5(random()::text), 'hex'), '') FROM generate_series(1, 8192))
  FROM saved, generate_series(0, 3) AS piece`

async function fill(t: Scope, url: string): Promise<void> {
  await insert(url, [
    { id: 't-1', account: CANARY },
    { id: 't-2', score: 0.2, time: '2026-10-01T00:00:00.123Z' },
    { id: 'Zürich 🏔', amount: '999999999.9999' },
  ])
  await query(
    url,
    `INSERT INTO positions (topic, partition, next_offset, stored) VALUES ('transactions', 3, 43, 3)`,
  )
  await query(
    url,
    `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at)
     SELECT 't-' || n, '2026-11-24T09:30:00Z', n % 3 = 0, 'chargeback', '2026-11-25' FROM generate_series(1, 200) AS n`,
  )
  await query(url, RANDOM_BYTES)
  const run = await connectedQuery(t, url)
  for (const id of ['1', '2', '3']) await appendAudit(run, 'key.create', 'test', { id })
}

describe('a backup', { skip: NO_SYSTEM_POSTGRES }, () => {
  const ends: (() => unknown)[] = []
  const suite: Scope = { after: (end: () => unknown) => void ends.unshift(end) } as Scope
  let server: string
  let url: string
  let keys: Keys
  let made: string

  const create = (directory: string, of = url, recipients = keys.recipients): Promise<string> =>
    createBackup({
      databaseUrl: of,
      directory,
      encryption: chooseEncryption(recipients, undefined),
      signal: never,
      say: () => {},
    }).then(({ backup }) => backup)

  /** The suite's backup in a directory of the test's own, changed as the test wants it. */
  function copyOf(t: Scope, change: (bytes: Buffer) => Buffer = (bytes) => bytes, mended = false): string {
    const backup = join(directoryFor(t), basename(made))
    const bytes = change(Buffer.from(readFileSync(made)))
    writeFileSync(backup, bytes)
    const manifest = readManifest(made)
    // Whoever can write the one can write the other.
    if (mended)
      Object.assign(manifest, {
        size: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })
    writeFileSync(manifestOf(backup), JSON.stringify(manifest))
    return backup
  }

  const verify = (backup: string, options: Partial<Parameters<typeof verifyBackup>[0]> = {}) =>
    verifyBackup({ backup, identity: keys.identity, into: server, signal: never, say: () => {}, ...options })

  const leftOvers = async () =>
    (
      await query<{ datname: string }>(
        server,
        `SELECT datname FROM pg_database WHERE datname LIKE 'weir_verify%'`,
      )
    ).map((row) => row.datname)

  before(async () => {
    server = await systemPostgres(suite)
    url = await databaseOn(server, { migrated: true })
    await fill(suite, url)
    keys = await keysFor(suite)
    made = await create(directoryFor(suite))
  })
  after(async () => {
    for (const end of ends) await end()
  })

  test('is one encrypted file and its manifest, for their owner only, and holds no readable word', async (t) => {
    const directory = join(directoryFor(t), 'new')
    const prometheus = join(directoryFor(t), 'weir.prom')
    const args = ['create', '--dir', directory, '--recipients', keys.recipients, '--prometheus', prometheus]
    const { code, out, errors } = await runBackup(url, ...args)
    assert.equal(code, 0, errors)
    const backup = out.trim()
    assert.match(basename(backup), /^weir-\d{8}T\d{6}Z\.dump\.age$/)
    assert.deepEqual(readdirSync(directory), [basename(backup), basename(manifestOf(backup))])
    for (const file of [backup, manifestOf(backup)]) assert.equal(statSync(file).mode & 0o777, 0o600)
    const bytes = readFileSync(backup)
    assert.ok(bytes.subarray(0, 40).toString('latin1').startsWith('age-encryption.org/v1\n-> X25519 '))
    for (const word of ['PGDMP', CANARY, 'transactions']) assert.equal(bytes.includes(word), false, word)
    const manifest = readManifest(backup)
    assert.equal(manifest.size, bytes.length)
    assert.equal(manifest.sha256, createHash('sha256').update(bytes).digest('hex'))
    assert.equal(readFileSync(manifestOf(backup), 'utf8').includes(CANARY), false)
    const password = new URL(url).password
    for (const text of [out, errors, readFileSync(manifestOf(backup), 'utf8')])
      assert.equal(text.includes(password), false, 'the password is told')
    const success = /^weir_backup_last_success_timestamp_seconds (\S+)$/m.exec(
      readFileSync(prometheus, 'utf8'),
    )
    assert.ok(Math.abs(Number(success![1]) - Date.now() / 1000) < 60)
  })

  test('tells what must be in it', () => {
    const { facts, server_major, pg_dump_major } = readManifest(made)
    assert.ok(pg_dump_major >= server_major)
    const rowsOf = (name: string) => facts.tables.find((table) => table.name === `public.${name}`)?.rows
    assert.deepEqual(
      ['transactions_2026_10', 'transactions_2026_11', 'labels', 'status_audit', 'checkpoint_pieces'].map(
        rowsOf,
      ),
      [1, 2, 200, 3, 4],
    )
    assert.equal(rowsOf('rate_limits'), undefined, 'what a crash may empty is not in a dump')
    assert.deepEqual(facts.positions, [{ topic: 'transactions', partition: 3, next_offset: 43, stored: 3 }])
    assert.deepEqual(facts.labels, { fraud: 66, genuine: 134, taken_back: 0 })
    assert.equal(facts.audit!.seq, 3)
    assert.equal(facts.migrations[0], '0001_transactions')
  })

  test('is verified on a temporary server, which is gone afterwards, and the list says so', async (t) => {
    const backup = copyOf(t)
    const { code, out, errors } = await runBackup(
      url,
      'verify',
      join(backup, '..'),
      '--identity',
      keys.identity,
    )
    assert.equal(code, 0, errors)
    assert.match(out, /is good: restored into PostgreSQL .* the audit, 3 rows whole/)
    assert.notEqual(listBackups(join(backup, '..'))[0].verified_at, null)
    const listed = await runBackup(url, 'list', join(backup, '..'), '--json')
    assert.equal(listed.code, 0)
    assert.equal(listed.json().state, 'complete')
    assert.match(String(listed.json().verified_at), /^\d{4}-/)
  })

  test('is verified on a server of one’s own, whose password is in no argument', async (t) => {
    const backup = copyOf(t)
    const { url: into, PGPASSWORD } = withoutPassword(server)
    const args = ['backup', 'verify', backup, '--identity', keys.identity, '--into']
    const refused = await startCommand({}, ...args, server).ended
    assert.notEqual(refused.code, 0)
    assert.match(refused.errors, /holds a password/)
    const { code, errors, json } = await startCommand({ PGPASSWORD }, ...args, into, '--json').ended
    assert.equal(code, 0, errors)
    assert.deepEqual(json().audit_rows, 3)
    assert.deepEqual(await leftOvers(), [])
  })

  test('that was cut off or has one flipped bit is found, whether or not its manifest was mended', async (t) => {
    const { size } = statSync(made)
    const changes: [string, (bytes: Buffer) => Buffer][] = []
    for (const length of [170, Math.floor(size / 2), size - 1])
      changes.push([`cut off at ${length}`, (bytes) => bytes.subarray(0, length)])
    for (const at of [40, Math.floor(size / 3), size - 1])
      changes.push([
        `bit of byte ${at}`,
        (bytes) => {
          bytes[at] ^= 4
          return bytes
        },
      ])
    for (const [what, change] of changes) {
      await assert.rejects(verify(copyOf(t, change)), /it was cut off|damaged or was altered/, what)
      await assert.rejects(
        verify(copyOf(t, change, true)),
        /cannot be decrypted|does not fit/,
        `${what}, mended`,
      )
    }
    assert.deepEqual(await leftOvers(), [])
  })

  test('that has another one’s manifest is found, mended or not, and what is different is named', async (t) => {
    const backup = copyOf(t)
    await query(url, 'DELETE FROM positions')
    const later = await create(directoryFor(t))
    await query(
      url,
      `INSERT INTO positions (topic, partition, next_offset, stored) VALUES ('transactions', 3, 43, 3)`,
    )
    copyFileSync(manifestOf(later), manifestOf(backup))
    await assert.rejects(verify(backup), /swapped/)
    const { file, size, sha256 } = readManifest(made)
    const mended: Manifest = { ...readManifest(later), file, size, sha256 }
    writeFileSync(manifestOf(backup), JSON.stringify(mended))
    await assert.rejects(
      verify(backup),
      /not what the manifest says:.*table public\.positions: 1 rows instead of 0.*position of transactions\/3/s,
    )
  })

  test('cannot be read by another key, and a verification that fails takes back an earlier one', async (t) => {
    const backup = copyOf(t)
    await verify(backup)
    assert.equal(existsSync(verificationOf(backup)), true)
    await assert.rejects(verify(backup, { into: 'postgres://weir@127.0.0.1:1/postgres' }), /ECONNREFUSED/)
    assert.equal(existsSync(verificationOf(backup)), true, 'a server that is away says nothing of the backup')
    const { identity } = await keysFor(t)
    await assert.rejects(verify(backup, { identity }), /the secret key does not fit/)
    assert.equal(existsSync(verificationOf(backup)), false)
    await assert.rejects(verify(backup, { identity: undefined }), /--identity FILE/)
    await assert.rejects(verify(backup, { identity: keys.recipients }), /is a public key/)
    await assert.rejects(verify(join(backup, '..', 'nothing')), /is missing/)
  })

  test('of a database whose audit was altered is not good, and the row is named', async (t) => {
    const altered = await databaseOn(server, { migrated: true })
    const run = await connectedQuery(t, altered)
    for (const id of ['1', '2', '3']) await appendAudit(run, 'key.create', 'test', { id })
    await run('ALTER TABLE status_audit DISABLE TRIGGER USER')
    await run(`UPDATE status_audit SET actor = 'nobody' WHERE seq = 2`)
    const backup = await create(directoryFor(t), altered)
    await assert.rejects(verify(backup), /audit: row 2 .* was edited/)
  })

  test('is compared with anchors up to its own time', async (t) => {
    const { audit } = readManifest(made).facts
    const anchor = join(directoryFor(t), 'anchors.ndjson')
    const at = '2026-11-30T00:00:00Z'
    const lines = (hash: string) =>
      [
        { ...audit, hash, at, database: 'd' },
        { seq: 99, hash: 'f'.repeat(64), at, database: 'd' },
      ].map((line) => JSON.stringify(line))
    writeFileSync(anchor, lines(audit!.hash).join('\n'))
    const { anchors } = await verify(copyOf(t), { anchorFile: anchor })
    assert.deepEqual(anchors, { compared: 1, newer: 1 })
    writeFileSync(anchor, lines('f'.repeat(64)).join('\n'))
    await assert.rejects(
      verify(copyOf(t), { anchorFile: anchor }),
      /audit: row 3 is not the one that was anchored/,
    )
  })

  test('is restored into an empty database only, with its grants, and the audit tells of it', async (t) => {
    const restore = (databaseUrl: string, backup: string, withGrants = true) =>
      restoreBackup({
        backup,
        identity: keys.identity,
        databaseUrl,
        withGrants,
        signal: never,
        say: () => {},
      })
    await assert.rejects(restore(url, made), /is not empty: it has public\./)

    const superuser = new URL(url)
    superuser.username = 'postgres'
    await query(superuser.href, 'CREATE ROLE backup_test_reader')
    await query(url, 'GRANT SELECT ON labels TO backup_test_reader')
    const backup = await create(directoryFor(t))
    const granted = await databaseOn(server)
    await restore(granted, backup)
    const [{ may }] = await query<{ may: boolean }>(
      granted,
      `SELECT has_table_privilege('backup_test_reader', 'labels', 'SELECT') AS may`,
    )
    assert.equal(may, true)
    const [last] = await query<{ seq: number; action: string; details: { sha256: string } }>(
      granted,
      'SELECT seq, action, details FROM status_audit ORDER BY seq DESC LIMIT 1',
    )
    assert.deepEqual(
      [last.seq, last.action, last.details.sha256],
      [4, 'database.restore', readManifest(backup).sha256],
    )

    await query(url, 'REVOKE SELECT ON labels FROM backup_test_reader')
    await query(granted, 'REVOKE SELECT ON labels FROM backup_test_reader')
    await query(superuser.href, 'DROP ROLE backup_test_reader')
    const bare = await databaseOn(server)
    await assert.rejects(
      restore(bare, backup),
      /lacks roles that the backup grants something to: backup_test_reader/,
    )
    await restore(bare, backup, false)
  })

  test('that cannot be decrypted to its end leaves the database empty', async (t) => {
    const empty = await databaseOn(server)
    const backup = copyOf(t, (bytes) => bytes.subarray(0, bytes.length - 100), true)
    await assert.rejects(
      restoreBackup({
        backup,
        identity: keys.identity,
        databaseUrl: empty,
        withGrants: true,
        signal: never,
        say: () => {},
      }),
      /cannot be decrypted/,
    )
    const tables = await query(empty, `SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)
    assert.deepEqual(tables, [])
  })

  test('is not made where a part is missing, and what to do is told', async (t) => {
    const directory = directoryFor(t)
    const args = ['create', '--dir', directory, '--recipients', keys.recipients]
    const none = await runBackup(url, ...args, '--programs', directoryFor(t))
    assert.equal(none.code, 1)
    assert.match(none.errors, /pg_dump \d+ or later is needed.*there is none/)

    const away = await runBackup('postgres://weir:a-password@127.0.0.1:1/weir', ...args)
    assert.equal(away.code, 1)
    assert.match(away.errors, /no connection to PostgreSQL at 127\.0\.0\.1:1\/weir/)
    assert.doesNotMatch(away.errors, /a-password/)

    const foreign = await runBackup(await databaseOn(server), ...args)
    assert.match(foreign.errors, /is none of Weir's/)

    const noKeys = await runBackup(url, 'create', '--dir', directory)
    assert.match(noKeys.errors, /no recipients/)
    assert.deepEqual([foreign.code, noKeys.code], [1, 1])
    assert.deepEqual(readdirSync(directory), [])
  })

  test('of a server that is newer than pg_dump is refused before anything is read', async (t) => {
    const newer = servers().DATABASE_URL
    const [{ major }] = await query<{ major: number }>(
      newer,
      `SELECT current_setting('server_version_num')::integer / 10000 AS major`,
    )
    if (readManifest(made).pg_dump_major >= major)
      return t.skip('the system’s pg_dump is as new as the tests’ server')
    const { code, errors } = await runBackup(
      newer,
      ...['create', '--dir', directoryFor(t), '--recipients', keys.recipients, '--programs', SYSTEM_PROGRAMS],
    )
    assert.equal(code, 1)
    assert.match(errors, new RegExp(`the server is PostgreSQL ${major}; found: .*postgresql-client-${major}`))
  })

  /**
   * Starts a backup, which waits at a lock. pg_dump locks all tables; what Weir itself counts has no row that a crash may empty,
   * so it does not come to rate_limits.
   */
  async function stalled(t: Scope, directory: string, table = 'rate_limits') {
    const lock = await connectedQuery(t, url)
    await lock('BEGIN')
    await lock(`LOCK TABLE ${table}`)
    const running = startCommand(
      { DATABASE_URL: url },
      ...['backup', 'create', '--dir', directory, '--recipients', keys.recipients],
    )
    const waiting = () =>
      query<{ pid: number; by_pg_dump: boolean }>(
        server,
        `SELECT pid, query ILIKE 'LOCK TABLE%' AS by_pg_dump FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND application_name = 'weir-backup'`,
      )
    const [{ pid, by_pg_dump }] = await until(async () => ((await waiting()).length > 0 ? waiting() : null), {
      seconds: 20,
      what: 'the backup at the lock',
    })
    assert.equal(by_pg_dump, table === 'rate_limits')
    return { running, pid, lock, unlock: () => lock('ROLLBACK') }
  }

  test('is of one moment: what is committed after the count began is not in the dump either', async (t) => {
    const directory = directoryFor(t)
    const { running, lock } = await stalled(t, directory, 'rule_sets')
    await lock(`INSERT INTO rule_sets (version, rules) VALUES ('of-a-moment-later', '[]')`)
    await lock('COMMIT')
    const { code, out, errors } = await running.ended
    assert.equal(code, 0, errors)
    await verify(out.trim())
  })

  test('that is interrupted leaves nothing', async (t) => {
    const directory = directoryFor(t)
    const { running, unlock } = await stalled(t, directory)
    running.child.kill('SIGINT')
    const { code, errors } = await running.ended
    assert.equal(code, 130, errors)
    assert.deepEqual(readdirSync(directory), [])
    // At the lock a server does not look whether its client is still there: it must have been told.
    const left = () => query(server, `SELECT 1 FROM pg_stat_activity WHERE application_name = 'weir-backup'`)
    await until(async () => (await left()).length === 0, { what: 'the end of its queries' })
    await unlock()
  })

  test('whose connection is ended in the middle fails, and leaves nothing', async (t) => {
    const directory = directoryFor(t)
    const { running, pid, unlock } = await stalled(t, directory)
    await query(server, 'SELECT pg_terminate_backend($1)', [pid])
    const { code, errors } = await running.ended
    await unlock()
    assert.equal(code, 1)
    assert.match(errors, /pg_dump failed \(exit code 1\):\n.*terminating connection/s)
    assert.deepEqual(readdirSync(directory), [])
  })

  test('for which the disk is too small fails, and leaves nothing', async (t) => {
    const disk = directoryFor(t)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'weir-test', disk], { stdio: 'ignore' })
    } catch {
      return t.skip('a tmpfs cannot be mounted here')
    }
    try {
      const directory = join(disk, 'backups')
      mkdirSync(directory)
      const { code, errors } = await runBackup(
        url,
        'create',
        '--dir',
        directory,
        '--recipients',
        keys.recipients,
      )
      assert.equal(code, 1)
      assert.match(errors, /could not be written, and what was there of it is removed: ENOSPC/)
      assert.deepEqual(readdirSync(directory), [])
    } finally {
      execFileSync('umount', [disk])
    }
  })

  test('is handed to the command of --after, whose failure is told and leaves the backup', async (t) => {
    const [directory, elsewhere] = [directoryFor(t), directoryFor(t)]
    const args = ['create', '--dir', directory, '--recipients', keys.recipients, '--json', '--after']
    const copied = await runBackup(url, ...args, `cp "$1" "$2" ${elsewhere} && echo copied && env >&2`)
    assert.equal(copied.code, 0, copied.errors)
    assert.match(copied.errors, /^copied$/m)
    assert.doesNotMatch(copied.errors, /DATABASE_URL|postgres:/)
    assert.deepEqual(readdirSync(elsewhere), readdirSync(directory))
    assert.equal(copied.json().backup, join(directory, readdirSync(elsewhere)[0]))

    const other = directoryFor(t)
    args[2] = other
    const failed = await runBackup(url, ...args, 'exit 7')
    assert.equal(failed.code, 3)
    assert.match(failed.errors, /is complete, but --after failed \(exit code 7\)$/m)
    assert.equal(listBackups(other)[0].state, 'complete')
  })
})
