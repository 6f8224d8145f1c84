import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Anchor } from '../../api/audit/anchor.ts'
import { verify } from '../../api/audit/verify.ts'
import { auditHead, auditPages } from '../../api/sql/audit.ts'
import type { Query } from '../../api/sql/database.ts'
import { withClient } from '../../schemas/database.ts'
import { query } from '../harness.ts'
import { asOwner, audited, findings, forge, MANIPULATIONS, rewriteFrom, short } from './audit-chains.ts'
import { runCommand } from './commands.ts'

test('verify names what the owner of the tables did to the chain', async (t) => {
  for (const [what, sql, expected] of MANIPULATIONS) {
    await t.test(what, async (t) => {
      const url = await audited(t, 20)
      await asOwner(url, sql)
      assert.deepEqual(short((await findings(url)).findings), expected)
    })
  }
})

/** How a superuser gets past the triggers, within a transaction. */
const WAYS = {
  'ALTER TABLE … DISABLE TRIGGER ALL': `
    ALTER TABLE status_audit DISABLE TRIGGER ALL;
    ALTER TABLE audit_head DISABLE TRIGGER ALL;`,
  'SET session_replication_role = replica': `PERFORM set_config('session_replication_role', 'replica', true);`,
}

const blockOf = (way: string, sql: string): string => `DO $$ BEGIN ${way} ${sql}; END $$`

/**
 * Runs with queries as the superuser of the test's own server, on a connection that is closed afterwards: nobody else may end
 * it, and with it the database's end.
 */
function asSuperuser<T>(url: string, use: (run: Query) => Promise<T>): Promise<T> {
  const superuser = new URL(url)
  superuser.username = 'postgres'
  const options = { connectionString: superuser.href, application_name: 'weir-test' }
  return withClient(options, async (client) => {
    const run: Query = async (text, values) => (await client.query(text, values)).rows
    const [role] = await run<{ usesuper: boolean }>(
      'SELECT usesuper FROM pg_user WHERE usename = current_user',
    )
    assert.ok(role.usesuper)
    return use(run)
  })
}

/** What verify finds after it, in a transaction that is then rolled back: so one chain serves for many. */
async function foundAfter(run: Query, statement: string, anchors: Anchor[] = []) {
  await run('BEGIN')
  try {
    await run(statement)
    return short((await verify(auditPages(run), await auditHead(run), anchors)).findings)
  } finally {
    await run('ROLLBACK')
  }
}

for (const [way, begin] of Object.entries(WAYS)) {
  test(`verify names what a superuser did to the chain by ${way}`, async (t) => {
    await asSuperuser(await audited(t, 20), async (run) => {
      await assert.rejects(foundAfter(run, 'DELETE FROM status_audit'), /is append-only/)
      for (const [what, sql, expected] of MANIPULATIONS)
        assert.deepEqual(await foundAfter(run, blockOf(begin, sql)), expected, what)
    })
  })
}

/** Moves rows to other places, without two at the same one on the way. */
const renumber = (from: number, by: number): string => `
  UPDATE status_audit SET seq = -seq WHERE seq >= ${from};
  UPDATE status_audit SET seq = -seq + ${by} WHERE seq < 0`

const headAt = (seq: number): string =>
  `UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM status_audit WHERE seq = ${seq})`

/** What leaves a whole chain with its head, and at which of the rows 5, 10, 15 and 20 an anchor tells it. */
const REWRITES: [string, string, number[]][] = [
  [
    'a row edited and the rest written anew',
    `UPDATE status_audit SET actor = 'x' WHERE seq = 7; ${rewriteFrom(7)}`,
    [10, 15, 20],
  ],
  [
    'a row removed and the rest written anew',
    `DELETE FROM status_audit WHERE seq = 7; ${renumber(8, -1)}; ${rewriteFrom(7)}`,
    [10, 15, 20],
  ],
  [
    'a row put in and the rest written anew',
    `${renumber(12, 1)}; ${forge(12)}; ${rewriteFrom(12)}`,
    [15, 20],
  ],
  ['the last rows removed', `DELETE FROM status_audit WHERE seq > 15; ${headAt(15)}`, [20]],
  ['another last row', `DELETE FROM status_audit WHERE seq = 20; ${forge(20)}; ${rewriteFrom(20)}`, [20]],
  [
    'all removed, as before the first row',
    `TRUNCATE status_audit; UPDATE audit_head SET seq = 0, hash = decode(repeat('00', 32), 'hex')`,
    [5, 10, 15, 20],
  ],
]

/** The links of these rows, as `npm run audit -- anchor` would have printed them. */
const anchorsAt = (run: Query, rows: number[]): Promise<Anchor[]> =>
  run<Anchor>(
    `SELECT seq, encode(hash, 'hex') AS hash, '2026-11-24T10:00:00.000Z' AS at, current_database() AS database
     FROM status_audit WHERE seq = ANY ($1) ORDER BY seq`,
    [rows],
  )

for (const [way, begin] of Object.entries(WAYS)) {
  test(`a chain that a superuser wrote anew by ${way} is whole, but for the anchors behind the row`, async (t) => {
    await asSuperuser(await audited(t, 20), async (run) => {
      const anchors = await anchorsAt(run, [5, 10, 15, 20])
      assert.equal(anchors.length, 4)
      for (const [what, sql, told] of REWRITES) {
        assert.deepEqual(await foundAfter(run, blockOf(begin, sql)), [], what)
        const expected = told.map((seq) => ['anchor', seq, seq])
        assert.deepEqual(await foundAfter(run, blockOf(begin, sql), anchors), expected, what)
      }
    })
  })
}

test('npm run audit -- verify --anchor names the rows that a superuser’s chain differs in, and ends with 1', async (t) => {
  const url = await audited(t, 20)
  const directory = await mkdtemp(join(tmpdir(), 'weir-anchor-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'anchors.ndjson')
  const edit = `UPDATE status_audit SET note = 'never said' WHERE seq = 7; ${rewriteFrom(7)}`
  await asSuperuser(url, async (run) => {
    const anchors = await anchorsAt(run, [5, 10])
    await writeFile(file, anchors.map((anchor) => `${JSON.stringify(anchor)}\n`).join(''))
    await run(blockOf(WAYS['SET session_replication_role = replica'], edit))
  })
  const [{ note }] = await query<{ note: string }>(url, 'SELECT note FROM status_audit WHERE seq = 7')
  assert.equal(note, 'never said')
  assert.equal((await runCommand(url, 'audit', 'verify')).code, 0)
  const found = await runCommand(url, 'audit', 'verify', '--anchor', file)
  assert.equal(found.code, 1)
  assert.match(found.out, /^anchor +row 10 is not the one that was anchored at 2026-11-24T10:00:00\.000Z/m)
  assert.doesNotMatch(found.out, /row 5 /)
})
