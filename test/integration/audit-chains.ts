import { type Finding, verify } from '../../api/audit/verify.ts'
import { auditHead, auditPages } from '../../api/sql/audit.ts'
import type { Query } from '../../api/sql/database.ts'
import { appendAudit } from '../../schemas/audit.ts'
import { withClient } from '../../schemas/database.ts'
import { freshDatabase, query, type Scope } from '../harness.ts'
import { connectedQuery } from './queries.ts'

/** Chains of the audit for tests, and what somebody may do to them who can switch triggers off. */

/** What verify finds, from a snapshot of its own. */
export const findings = (url: string, anchors: Parameters<typeof verify>[2] = []) =>
  withClient({ connectionString: url, application_name: 'weir-test' }, async (client) => {
    const run: Query = async (text, values) => (await client.query(text, values)).rows
    await run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const verdict = await verify(auditPages(run), await auditHead(run), anchors)
    await run('COMMIT')
    return verdict
  })

type ShortFinding = [kind: string, seq: number, to: number]
export const short = (found: Finding[]): ShortFinding[] => found.map(({ kind, seq, to }) => [kind, seq, to])

/** A database whose audit has so many rows of all kinds, with texts that are hard to encode. */
export async function audited(t: Scope, count: number): Promise<string> {
  const url = await freshDatabase(t)
  await query(
    url,
    `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)
     SELECT 'T-' || n, '2026-11-24T09:30:00.123456Z', 'NEW', 'FRAUD',
            (ARRAY[NULL, '', '-', '1:x', E'“é” 🙂\\n', repeat('x', 2000)])[n % 6 + 1], 'actor', 'r-' || n
     FROM generate_series(1, $1::int) n WHERE n % 5 > 0`,
    [count],
  )
  const run = await connectedQuery(t, url)
  for (let n = 0; n < count / 5; n++)
    await appendAudit(run, 'key.create', 'command:é', { b: 1.5, a: [null, { '"': '\\' }], id: `${n}` })
  return url
}

/** As whoever owns the tables may: he can switch off what refuses. */
export const asOwner = (url: string, sql: string): Promise<unknown> =>
  query(
    url,
    `DO $$ BEGIN
       ALTER TABLE status_audit DISABLE TRIGGER USER;
       ALTER TABLE audit_head DISABLE TRIGGER USER;
       ${sql};
       ALTER TABLE status_audit ENABLE TRIGGER USER;
       ALTER TABLE audit_head ENABLE TRIGGER USER;
     END $$`,
  )

/** Works all hashes from this row on out anew, and the head: the chain is consistent again. */
export const rewriteFrom = (from: number): string => `
  DECLARE e status_audit; before bytea;
  BEGIN
    FOR e IN SELECT * FROM status_audit WHERE seq >= ${from} ORDER BY seq LOOP
      SELECT hash INTO before FROM status_audit WHERE seq = e.seq - 1;
      e.previous_hash := before;
      UPDATE status_audit SET previous_hash = before, hash = audit_hash(e) WHERE seq = e.seq;
      UPDATE audit_head SET seq = e.seq, hash = audit_hash(e);
    END LOOP;
  END`

/** A row of a forger's own at this place, with the right hashes. */
export const forge = (seq: number): string => `
  INSERT INTO status_audit (action, actor, seq, previous_hash, hash)
    SELECT 'key.create', 'forger', ${seq}, hash, hash FROM status_audit WHERE seq = ${seq - 1};
  UPDATE status_audit a SET hash = audit_hash(a) WHERE seq = ${seq} AND actor = 'forger'`

/** What was done, how, and what is found: of chains with 20 rows. */
export const MANIPULATIONS: [string, string, ShortFinding[]][] = [
  ['an edited note', `UPDATE status_audit SET note = 'x' WHERE seq = 7`, [['edited', 7, 7]]],
  [
    'an edited time, by a microsecond',
    `UPDATE status_audit SET changed_at = changed_at + interval '1 microsecond' WHERE seq = 7`,
    [['edited', 7, 7]],
  ],
  ['null made empty', `UPDATE status_audit SET note = '' WHERE seq = 5`, [['edited', 5, 5]]],
  [
    'an edited detail',
    `UPDATE status_audit SET details = details || '{"b": 2}' WHERE seq = 20`,
    [['edited', 20, 20]],
  ],
  ['another hash', `UPDATE status_audit SET hash = sha256('x') WHERE seq = 7`, [['edited', 7, 7]]],
  [
    'an edited row whose hash was worked out anew',
    `UPDATE status_audit SET note = 'x' WHERE seq = 7; UPDATE status_audit a SET hash = audit_hash(a) WHERE seq = 7`,
    [['broken', 7, 8]],
  ],
  ['a removed row', 'DELETE FROM status_audit WHERE seq = 7', [['removed', 7, 7]]],
  ['removed rows', 'DELETE FROM status_audit WHERE seq BETWEEN 7 AND 9', [['removed', 7, 9]]],
  ['the first row removed', 'DELETE FROM status_audit WHERE seq = 1', [['removed', 1, 1]]],
  ['the last rows removed', 'DELETE FROM status_audit WHERE seq > 18', [['removed', 19, 20]]],
  [
    'a removed row, the others renumbered',
    'DELETE FROM status_audit WHERE seq = 19; UPDATE status_audit SET seq = 19 WHERE seq = 20',
    [
      ['edited', 19, 19],
      ['removed', 20, 20],
    ],
  ],
  ['a row put in at the end', forge(21), [['inserted', 21, 21]]],
  [
    'a row put in between',
    `ALTER TABLE status_audit DROP CONSTRAINT status_audit_seq; ${forge(7)}`,
    [['inserted', 7, 7]],
  ],
  [
    'a row in the place of another',
    `DELETE FROM status_audit WHERE seq = 7; ${forge(7)}`,
    [['broken', 7, 8]],
  ],
  ['a truncated table', 'TRUNCATE status_audit', [['truncated', 1, 20]]],
  ['the head set back', 'UPDATE audit_head SET seq = 18', [['inserted', 19, 20]]],
  [
    'the last row removed and the head set back without its hash',
    'DELETE FROM status_audit WHERE seq = 20; UPDATE audit_head SET seq = 19',
    [['head', 19, 19]],
  ],
  ['the head removed', 'DELETE FROM audit_head', [['head', 20, 20]]],
]
