import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readAnchors } from '../../api/audit/anchor.ts'
import { appendAudit } from '../../schemas/audit.ts'
import { freshDatabase, query } from '../harness.ts'
import { open } from './api-rows.ts'
import { asOwner, audited, findings, rewriteFrom, short } from './audit-chains.ts'
import { runCommand } from './commands.ts'
import { connectedQuery } from './queries.ts'

test('a chain that nobody altered is whole, and its hashes are the same in SQL and in TypeScript', async (t) => {
  const url = await audited(t, 60)
  const { rows, head, findings: found } = await findings(url)
  assert.deepEqual(found, [])
  assert.equal(rows, 60)
  assert.equal(head?.seq, 60)
  const empty = await findings(await freshDatabase(t))
  assert.deepEqual([empty.rows, empty.findings], [0, []])
})

test('nobody can change, remove or truncate rows, or move the head, by plain statements', async (t) => {
  const url = await audited(t, 5)
  for (const sql of [
    `UPDATE status_audit SET note = 'x'`,
    'DELETE FROM status_audit WHERE seq = 5',
    'TRUNCATE status_audit',
    'UPDATE audit_head SET seq = 4',
    'DELETE FROM audit_head',
    'TRUNCATE audit_head',
    `INSERT INTO audit_head (is_only, seq, hash) VALUES (false, 0, '')`,
  ])
    await assert.rejects(query(url, sql), /is append-only/, sql)
  // What an inserter says of the chain and of the time does not count.
  await query(
    url,
    `INSERT INTO status_audit (action, actor, seq, hash, previous_hash, changed_at)
     VALUES ('key.create', 'x', 77, '\\x00', '\\x00', '2020-01-01')`,
  )
  assert.deepEqual((await findings(url)).findings, [])
  const [{ recent }] = await query<{ recent: boolean }>(
    url,
    `SELECT changed_at > now() - interval '1 minute' AS recent FROM status_audit WHERE seq = 6`,
  )
  assert.equal(recent, true)
})

test('a chain that was written anew from some row on, head and all, is found by an anchor only', async (t) => {
  const url = await audited(t, 20)
  const directory = await mkdtemp(join(tmpdir(), 'weir-anchor-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'anchors.ndjson')
  const first = await runCommand(url, 'audit', 'anchor', '--out', file)
  assert.equal(first.code, 0, first.errors)
  const [anchor] = readAnchors(file)
  assert.deepEqual(first.json(), anchor)
  assert.equal(anchor.seq, 20)
  await appendAudit(await connectedQuery(t, url), 'key.revoke', 'x', {})
  await runCommand(url, 'audit', 'anchor', '--out', file)
  assert.deepEqual(
    readAnchors(file).map(({ seq }) => seq),
    [20, 21],
  )
  const whole = await runCommand(url, 'audit', 'verify', '--anchor', file)
  assert.equal(whole.code, 0)
  assert.match(whole.errors, /^21 rows, compared with 2 anchors: the chain is whole$/m)

  await asOwner(url, `UPDATE status_audit SET actor = 'somebody else' WHERE seq = 7; ${rewriteFrom(7)}`)
  assert.deepEqual((await findings(url)).findings, [])
  const found = await runCommand(url, 'audit', 'verify', '--anchor', file, '--json')
  assert.equal(found.code, 1)
  assert.deepEqual(short(found.json().findings), [
    ['anchor', 20, 20],
    ['anchor', 21, 21],
  ])
  await asOwner(
    url,
    `DELETE FROM status_audit WHERE seq > 15; UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM status_audit WHERE seq = 15)`,
  )
  assert.deepEqual((await findings(url)).findings, [])
  const cut = await runCommand(url, 'audit', 'verify', '--anchor', file)
  assert.equal(cut.code, 1)
  assert.match(cut.out, /row 20 was anchored and is missing.*row 21 was anchored and is missing/s)

  await writeFile(file, '{"seq": 1}\n')
  const wrong = await runCommand(url, 'audit', 'verify', '--anchor', file)
  assert.equal(wrong.code, 1)
  assert.match(wrong.errors, /anchors\.ndjson:1 is no anchor/)
})

test('writers at the same time make one chain without a gap, also when some roll back; verify sees it whole meanwhile', async (t) => {
  const url = await freshDatabase(t)
  const writers = await Promise.all(Array.from({ length: 8 }, () => connectedQuery(t, url)))
  let done = 0
  const writing = writers.map(async (run, writer) => {
    for (let i = 0; i < 150; i++) {
      await run('BEGIN')
      await appendAudit(run, 'key.create', `writer ${writer}`, { i })
      const stays = i % 6 > 0
      await run(stays ? 'COMMIT' : 'ROLLBACK')
      if (stays) done++
    }
  })
  while (done < 900) {
    const { findings: found } = await findings(url)
    assert.deepEqual(found, [])
  }
  await Promise.all(writing)
  const { rows, findings: found } = await findings(url)
  assert.deepEqual([rows, found], [1000, []])
  const [{ ordered }] = await query<{ ordered: boolean }>(
    url,
    `SELECT bool_and(changed_at >= before) AS ordered
     FROM (SELECT changed_at, lag(changed_at) OVER (ORDER BY seq) AS before FROM status_audit) a`,
  )
  assert.equal(ordered, true)
})

test('npm run audit verifies, lists and exports', async (t) => {
  const { url, put } = await open(t, [{ id: 'T' }])
  await put('T', { new_status: 'FRAUD', note: '=1+1, "sure"' })
  await runCommand(url, 'keys', 'create', '--name', 'Branch')
  const audit = (...args: string[]) => runCommand(url, 'audit', ...args)

  const whole = await audit('verify', '--json')
  assert.equal(whole.code, 0)
  const { whole: is_whole, rows, findings: found } = whole.json()
  assert.deepEqual([is_whole, rows, found], [true, 2, []])
  assert.match(
    (await audit('list')).out,
    /^2 .* key\.create .*Branch.*\n1 .* API_KEY +status +T NEW -> FRAUD: =1\+1/m,
  )
  const [first, second] = (await audit('export')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual([first.seq, first.new_status, second.action], [1, 'FRAUD', 'key.create'])
  assert.equal(second.previous_hash, first.hash)
  const csv = (await audit('export', '--format', 'csv', '--from', '2020-01-01')).out.split('\r\n')
  assert.match(csv[0], /^seq,changed_at,actor/)
  assert.match(csv[1], /,"'=1\+1, ""sure""",/)
  assert.equal((await audit('export', '--to', '2020-01-01')).out, '')

  await asOwner(url, 'DELETE FROM status_audit WHERE seq = 1')
  const cut = await audit('verify')
  assert.equal(cut.code, 1)
  assert.match(cut.out, /^removed +row 1 is missing: removed$/m)
  await asOwner(url, 'TRUNCATE status_audit')
  assert.equal((await audit('anchor')).code, 1)
})

test('rows from before the chain become its beginning', async (t) => {
  const url = await freshDatabase(t)
  const halves = async (name: string) =>
    (await readFile(new URL(`../../schemas/sql/${name}.sql`, import.meta.url), 'utf8')).split(
      '-- Down Migration',
    )
  const [, laterDown] = await halves('0017_stream')
  const [upward, downward] = await halves('0016_audit_chain')
  await query(url, laterDown)
  await query(url, downward)
  await query(
    url,
    `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, actor, request_id)
     SELECT 'T', now(), 'NEW', 'FRAUD', 'a', 'r' FROM generate_series(1, 30)`,
  )
  await query(url, upward)
  await appendAudit(await connectedQuery(t, url), 'key.revoke', 'x', {})
  const { rows, findings: found } = await findings(url)
  assert.deepEqual([rows, found], [31, []])
})
