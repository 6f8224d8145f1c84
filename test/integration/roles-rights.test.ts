import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type pg from 'pg'
import { look } from '../../deploy/roles/findings.ts'
import { createClient, withClient } from '../../schemas/database.ts'
import { ROLE_NAMES, ROLES, type RoleName } from '../../schemas/roles/roles.ts'
import { query } from '../harness.ts'
import { databaseWithRoles, type RolesServer, suiteServer } from '../support/roles.ts'
import { insert } from './api-rows.ts'

/** Months of transactions: two made by the owner, one by the pipeline's role. */
const OLD = 'transactions_2026_10'
const ANCIENT = 'transactions_2020_01'
const NEW = 'transactions_2026_12'
const PARTITIONS = [OLD, NEW]

const NEW_AUDIT = `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)
  VALUES ('old', now(), 'NEW', 'FRAUD', NULL, 'x', 'r')`
const NEW_EVENT = `INSERT INTO status_audit (action, actor, details) VALUES ('key.create', 'x', '{}')`
const NEW_LABEL = `INSERT INTO labels (transaction_id, timestamp, is_fraud, origin, known_at) VALUES ('x', now(), true, 'x', now())`
const NEW_KEY = `INSERT INTO api_keys (id, name, secret_hash, scopes, created_by) VALUES ('abcdefgh', 'x', sha256(''), '{admin}', 'x')`
const NEW_ROW = 'INSERT INTO transactions SELECT * FROM transactions LIMIT 0'
const NEW_MODEL = `INSERT INTO models (version, kind, artifact, features, metrics) VALUES ('m', 'k', '{}', '{}', '{}')`

interface Rights {
  may: string[]
  mayNot: string[]
}

const RIGHTS: Record<RoleName, Rights> = {
  fraud_owner: {
    may: [
      `CREATE TABLE public.of_a_migration (id int)`,
      `ALTER TABLE transactions ADD COLUMN of_a_migration int`,
    ],
    mayNot: [],
  },
  fraud_api: {
    may: [
      'SELECT *, xmin FROM transactions',
      'SELECT FROM transactions FOR UPDATE',
      `UPDATE transactions SET status = 'FRAUD' WHERE transaction_id = 'old' RETURNING transaction_id`,
      `UPDATE transactions SET status = 'FRAUD' WHERE transaction_id = 'new'`,
      `SELECT expected_loss(amount, score), anomaly_terms(account_id, merchant_id, merchant_category, alert_reason, reasons)
       FROM transactions`,
      NEW_AUDIT,
      NEW_LABEL,
      'SELECT * FROM status_audit, audit_head',
      'SELECT secret FROM api_secrets',
      'UPDATE api_keys SET last_used_at = now()',
      `INSERT INTO rate_limits VALUES ('k', 1, 2) ON CONFLICT (key) DO UPDATE SET points = 2`,
      'DELETE FROM rate_limits',
      'LISTEN weir_anomalies',
    ],
    mayNot: [
      'UPDATE transactions SET amount = 0',
      'UPDATE transactions SET score = 0, is_anomaly = false',
      `UPDATE transactions SET status = 'DISMISSED', alert_reason = NULL`,
      NEW_ROW,
      'DELETE FROM transactions',
      'TRUNCATE transactions',
      NEW_EVENT,
      `INSERT INTO status_audit (transaction_id, timestamp, previous_status, new_status, actor, request_id, changed_at)
       VALUES ('old', now(), 'NEW', 'FRAUD', 'x', 'r', '2020-01-01')`,
      `UPDATE status_audit SET note = 'x'`,
      'DELETE FROM status_audit',
      'TRUNCATE status_audit',
      'UPDATE audit_head SET seq = 0',
      `INSERT INTO labels (transaction_id, timestamp, origin, known_at, recorded_at) VALUES ('x', now(), 'x', now(), now())`,
      'UPDATE labels SET is_fraud = false',
      'DELETE FROM labels',
      NEW_KEY,
      `UPDATE api_keys SET scopes = '{admin}'`,
      'UPDATE api_keys SET revoked_at = NULL',
      'DELETE FROM api_keys',
      `UPDATE api_secrets SET secret = ''`,
      'UPDATE positions SET next_offset = 0',
      'UPDATE models SET is_active = true',
      'SELECT FROM migrations',
      'SELECT FROM checkpoints',
      'SELECT FROM masked_transactions',
      'SELECT ensure_transactions_partition(now())',
      `CALL move_positions('t', '[]')`,
      `SELECT activate_first_model('m')`,
    ],
  },
  fraud_detector: {
    may: [
      NEW_ROW,
      'SELECT * FROM transactions',
      `SELECT ensure_transactions_partition('2026-09-01')`,
      `INSERT INTO positions (topic, partition, next_offset) VALUES ('t', 0, 0) ON CONFLICT DO NOTHING`,
      'SELECT FROM positions FOR UPDATE',
      `CALL move_positions('t', '[]')`,
      `INSERT INTO skipped VALUES ('t', 0, 0, 'X') ON CONFLICT (topic, partition, "offset") DO NOTHING`,
      `INSERT INTO checkpoints (topic, partition, position, state_version, accounts) VALUES ('t', 0, 0, 'v', 0) RETURNING id`,
      'DELETE FROM checkpoints',
      NEW_LABEL,
      NEW_MODEL,
      `INSERT INTO rule_sets (version, rules) VALUES ('r', '[]') ON CONFLICT (version) DO UPDATE SET started_at = now()`,
      `INSERT INTO reference_days (day, delay_days, merchants, events, labels_seen, bytes) VALUES (now(), 7, 0, 0, 0, 0)`,
    ],
    mayNot: [
      `UPDATE transactions SET status = 'DISMISSED'`,
      'SELECT FROM transactions FOR UPDATE',
      'DELETE FROM transactions',
      'TRUNCATE transactions',
      NEW_AUDIT,
      NEW_EVENT,
      'SELECT FROM status_audit',
      'SELECT FROM api_keys',
      'SELECT FROM api_secrets',
      'SELECT FROM rate_limits',
      'SELECT FROM dead_letter_replays',
      'UPDATE labels SET is_fraud = false',
      'DELETE FROM skipped',
      'DELETE FROM positions',
      'DELETE FROM reference_days',
      'UPDATE models SET is_active = true',
      `INSERT INTO models (version, kind, artifact, features, is_active) VALUES ('m', 'k', '{}', '{}', true)`,
      `UPDATE rule_sets SET rules = '[]'`,
      `SELECT drop_transactions_month('2020-01-01')`,
    ],
  },
  fraud_operator: {
    may: [
      NEW_KEY,
      'UPDATE api_keys SET replaced_by = NULL, expires_at = now(), revoked_at = now()',
      'SELECT FROM api_keys FOR UPDATE',
      NEW_EVENT,
      'SELECT * FROM status_audit, audit_head',
      NEW_MODEL,
      'UPDATE models SET is_active = false, activated_at = NULL',
      `INSERT INTO dead_letter_replays (topic, partition, "offset", digest, replays) VALUES ('t', 0, 0, 'd', 1)
       ON CONFLICT (topic, partition, "offset", digest) DO UPDATE SET replays = 2, replayed_at = now()`,
    ],
    mayNot: [
      'SELECT FROM transactions',
      'SELECT FROM masked_transactions',
      'SELECT FROM labels',
      'SELECT FROM positions',
      'SELECT FROM skipped',
      'SELECT FROM rule_sets',
      'SELECT FROM api_secrets',
      `UPDATE api_keys SET secret_hash = sha256('')`,
      `UPDATE api_keys SET scopes = '{admin}'`,
      'DELETE FROM api_keys',
      NEW_AUDIT,
      'DELETE FROM status_audit',
      'UPDATE audit_head SET seq = 0',
      `UPDATE models SET artifact = '{}'`,
      'DELETE FROM models',
      'DELETE FROM dead_letter_replays',
    ],
  },
  fraud_trainer: {
    may: [
      'SELECT * FROM transactions LEFT JOIN labels USING (transaction_id, timestamp)',
      'SELECT * FROM reference_days JOIN reference_day_pieces USING (day)',
      NEW_MODEL,
    ],
    mayNot: [
      NEW_ROW,
      `UPDATE transactions SET status = 'FRAUD'`,
      'DELETE FROM transactions',
      NEW_LABEL,
      'UPDATE models SET is_active = true',
      `SELECT activate_first_model('m')`,
      'SELECT FROM last_labels',
      'SELECT FROM rule_sets',
      'SELECT FROM api_keys',
      'SELECT FROM status_audit',
    ],
  },
  fraud_analyst: {
    may: ['SELECT * FROM masked_transactions'],
    mayNot: [
      'SELECT FROM transactions',
      'SELECT account_id FROM transactions',
      'SELECT FROM labels',
      'SELECT FROM last_labels',
      'SELECT FROM api_secrets',
    ],
  },
  fraud_backup: {
    // As pg_dump does.
    may: [
      'LOCK TABLE transactions, api_secrets, audit_head IN ACCESS SHARE MODE',
      ...[OLD, NEW, 'transactions', 'api_secrets', 'checkpoint_pieces', 'migrations'].map(
        (name) => `SELECT * FROM ${name}`,
      ),
      'SELECT last_value FROM status_audit_id_seq',
    ],
    mayNot: [
      NEW_ROW,
      `UPDATE transactions SET status = 'FRAUD'`,
      `DELETE FROM ${NEW}`,
      `TRUNCATE ${NEW}`,
      `SELECT setval('status_audit_id_seq', 1)`,
      'DELETE FROM api_keys',
    ],
  },
  fraud_metrics: {
    may: ['SELECT * FROM positions', 'SELECT id, expires_at FROM api_keys', 'SELECT seq FROM audit_head'],
    mayNot: [
      'SELECT FROM transactions',
      'SELECT secret_hash FROM api_keys',
      'SELECT name FROM api_keys',
      'SELECT artifact FROM models',
      'SELECT FROM labels',
      'UPDATE positions SET next_offset = 0',
    ],
  },
  fraud_retention: {
    may: [
      `SELECT count(*), min(timestamp) FROM transactions`,
      `SELECT drop_transactions_month('2020-01-31')`,
      'DELETE FROM reference_days',
    ],
    mayNot: [
      // Too young.
      `SELECT drop_transactions_month('2026-12-01')`,
      'SELECT account_id FROM transactions',
      'DELETE FROM transactions',
      'TRUNCATE transactions',
      `DROP TABLE ${ANCIENT}`,
      `ALTER TABLE transactions DETACH PARTITION ${ANCIENT}`,
      'DELETE FROM status_audit',
    ],
  },
}

const NOBODY_MAY = [
  'CREATE TEMPORARY TABLE mine (id int)',
  'CREATE SCHEMA mine',
  'CREATE ROLE another',
  'ALTER ROLE fraud_owner SUPERUSER',
  'SET ROLE postgres',
  'SET SESSION AUTHORIZATION postgres',
  'SELECT rolpassword FROM pg_authid',
  `SELECT pg_read_file('postgresql.conf')`,
  `SELECT pg_ls_dir('.')`,
  `SELECT lo_import('/etc/hostname')`,
  `COPY (SELECT 1) TO PROGRAM 'cat'`,
  `COPY (SELECT 1) TO '/tmp/of-a-role'`,
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'`,
]

const ONLY_THE_OWNER_MAY = [
  'CREATE TABLE public.mine (id int)',
  'CREATE FUNCTION public.mine() RETURNS int RETURN 1',
  'SET ROLE fraud_owner',
  'ALTER TABLE status_audit DISABLE TRIGGER ALL',
  'ALTER TABLE transactions DROP COLUMN status',
  'DROP TABLE transactions',
  `SELECT audit_field('x')`,
]

const onPartition = (name: string) => [
  `SELECT FROM ${name}`,
  `INSERT INTO ${name} SELECT * FROM transactions LIMIT 0`,
  `UPDATE ${name} SET status = 'FRAUD'`,
  `DELETE FROM ${name}`,
  `TRUNCATE ${name}`,
]

/** @returns the SQLSTATE, or `done` */
async function outcome(client: pg.Client, sql: string): Promise<string> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    return 'done'
  } catch (error) {
    const { code, message } = error as pg.DatabaseError
    // What a trigger refuses whoever may is not what is looked for here.
    return /append-only|never altered/.test(message) ? message : (code ?? message)
  } finally {
    await client.query('ROLLBACK')
  }
}

const REFUSED = '42501'

describe('each role', () => {
  let server: RolesServer
  suiteServer(async (started) => {
    server = started
    await databaseWithRoles(server, 'bank')
    await insert(server.urlOf('fraud_owner', 'bank'), [
      { id: 'old', time: '2026-10-05T09:30:00Z', account: 'ACC-CANARY-1' },
      { id: 'ancient', time: '2020-01-05T09:30:00Z' },
    ])
    await insert(server.urlOf('fraud_detector', 'bank'), [
      { id: 'new', time: '2026-12-05T09:30:00Z', account: 'ACC-CANARY-1' },
      { id: 'other', time: '2026-12-05T09:31:00Z', account: 'ACC-CANARY-2' },
    ])
  })

  for (const role of ROLE_NAMES) {
    test(`${role} may do what its work needs, and nothing else`, async (t) => {
      const client = createClient({
        connectionString: server.urlOf(role, 'bank'),
        application_name: 'weir-test',
      })
      t.after(() => client.end())
      await client.connect()
      const admin = createClient({ connectionString: server.adminOf('bank'), application_name: 'weir-test' })
      t.after(() => admin.end())
      await admin.connect()
      const { may, mayNot } = RIGHTS[role]
      for (const sql of may) assert.equal(await outcome(client, sql), 'done', sql)
      const partitions = role === 'fraud_owner' ? [] : PARTITIONS.flatMap(onPartition)
      const direct =
        role === 'fraud_backup' ? partitions.filter((sql) => !sql.startsWith('SELECT')) : partitions
      const refused = [
        ...mayNot,
        ...NOBODY_MAY,
        ...(role === 'fraud_owner' ? [] : ONLY_THE_OWNER_MAY),
        ...direct,
      ]
      for (const sql of refused) assert.equal(await outcome(client, sql), REFUSED, sql)
    })
  }

  test('each one’s sessions begin with its timeouts, and it has no more connections than it is to have', async (t) => {
    for (const role of ROLE_NAMES) {
      const [settings] = await query<Record<string, string | number>>(
        server.urlOf(role, 'bank'),
        `SELECT current_setting('statement_timeout') AS statement_timeout, current_setting('lock_timeout') AS lock_timeout,
                current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout,
                rolconnlimit AS connections FROM pg_roles WHERE rolname = current_user`,
      )
      const { timeouts, connections } = ROLES[role]
      assert.deepEqual(settings, { ...timeouts, connections }, role)
    }
    const connectionString = server.urlOf('fraud_metrics', 'bank')
    for (let i = 0; i < ROLES.fraud_metrics.connections; i++) {
      const client = createClient({ connectionString, application_name: 'weir-test' })
      t.after(() => client.end())
      await client.connect()
    }
    await assert.rejects(query(connectionString, 'SELECT 1'), { code: '53300' })
  })

  test('a month that the pipeline’s role makes is the owner’s, and gives nobody but the backup anything', async () => {
    const rows = await query<{ name: string; owner: string; acl: string }>(
      server.adminOf('bank'),
      `SELECT relname AS name, pg_get_userbyid(relowner) AS owner,
              (SELECT string_agg(pg_get_userbyid(grantee) || ' ' || privilege_type, ', ') FROM aclexplode(relacl)
               WHERE grantee <> relowner) AS acl
       FROM pg_class WHERE relname = ANY($1) ORDER BY relname`,
      [PARTITIONS],
    )
    const expected = { owner: 'fraud_owner', acl: 'fraud_backup SELECT' }
    assert.deepEqual(rows, [
      { name: OLD, ...expected },
      { name: NEW, ...expected },
    ])
    const { findings } = await withClient(
      { connectionString: server.adminOf('bank'), application_name: 'weir-test' },
      (client) => look(client),
    )
    assert.deepEqual(findings, [])
  })

  test('a month is dropped by a function, with an audit row of who did it', async (t) => {
    // One connection: the role may have two.
    const client = createClient({
      connectionString: server.urlOf('fraud_retention', 'bank'),
      application_name: 'weir-test',
    })
    t.after(() => client.end())
    await client.connect()
    const drop = () => client.query<{ n: number }>(`SELECT drop_transactions_month('2020-01-15') AS n`)
    const months = () => query(server.adminOf('bank'), `SELECT FROM pg_class WHERE relname = '${ANCIENT}'`)
    assert.equal((await months()).length, 1)
    assert.deepEqual((await drop()).rows, [{ n: 1 }])
    assert.equal((await months()).length, 0)
    await assert.rejects(drop(), { code: '42P01' })
    const audit = await query(
      server.urlOf('fraud_operator', 'bank'),
      `SELECT action, actor, details FROM status_audit ORDER BY seq DESC LIMIT 1`,
    )
    assert.deepEqual(audit, [
      { action: 'retention.drop', actor: 'role:fraud_retention', details: { rows: 1, month: '2020-01' } },
    ])
  })

  test('an analyst groups by account without learning it, and sees no place', async () => {
    const owner = server.urlOf('fraud_owner', 'bank')
    await query(
      owner,
      `UPDATE transactions SET features = '{"amount": 12.34, "deviation": null, "home": "Oulu"}' WHERE transaction_id = 'new'`,
    )
    const rows = await query<Record<string, unknown>>(
      server.urlOf('fraud_analyst', 'bank'),
      'SELECT * FROM masked_transactions ORDER BY timestamp',
    )
    const [old, fresh, other] = rows.slice(-3)
    assert.match(String(old.masked_account_id), /^[0-9a-f]{64}$/)
    assert.equal(old.masked_account_id, fresh.masked_account_id)
    assert.notEqual(fresh.masked_account_id, other.masked_account_id)
    assert.equal(new Set(rows.map((row) => row.masked_transaction_id)).size, rows.length)
    assert.deepEqual(fresh.features, { amount: 12.34, deviation: null })
    assert.deepEqual(fresh.reason_codes, ['HIGH_AMOUNT'])
    assert.deepEqual([fresh.amount, fresh.merchant_id, fresh.status], ['12.3400', 'M-1', 'NEW'])
    assert.doesNotMatch(JSON.stringify(rows), /CANARY|Paris|Oulu|The amount is high/)
    // Not by any hash of the id alone.
    const [{ plain }] = await query<{ plain: string }>(
      owner,
      `SELECT encode(sha256('ACC-CANARY-1'), 'hex') AS plain`,
    )
    assert.notEqual(old.masked_account_id, plain)
    const again = await query(
      owner,
      `SELECT FROM masked_transactions WHERE masked_account_id = '${old.masked_account_id}'`,
    )
    assert.equal(again.length, 2)
  })
})
