import type { OWNER, RoleName } from './roles.ts'

/**
 * What each role may do with the tables and routines of the schema: as much as its statements need, found by reading them.
 * Everything else is refused, to partitions too: who may use `transactions` reaches them through it only. A trigger's
 * function, the sequence of an identity column and the rows that a foreign key looks at need no right.
 */
export interface Grants {
  /** By table, or `*` for all tables and sequences; `UPDATE (status)` is of these columns alone. */
  tables: Record<string, readonly string[]>
  /** Functions and procedures that it may call. An index's functions are called by who writes the row. */
  routines?: readonly string[]
}

const NEW_MODEL = 'INSERT (version, kind, artifact, features, trained_from, trained_to, metrics)'
/** All but when it was recorded, which the database says. */
const NEW_LABEL = 'INSERT (transaction_id, timestamp, is_fraud, origin, known_at)'
const INDEXED = ['expected_loss', 'anomaly_terms']

export const GRANTS: Record<Exclude<RoleName, typeof OWNER>, Grants> = {
  // api/sql
  fraud_api: {
    tables: {
      transactions: ['SELECT', 'UPDATE (status)'],
      // Without action and details: it cannot say that a key was made, or a model chosen.
      status_audit: [
        'SELECT',
        'INSERT (transaction_id, timestamp, previous_status, new_status, note, actor, request_id)',
      ],
      // Its own watch follows the chain.
      audit_head: ['SELECT'],
      labels: ['SELECT', NEW_LABEL],
      positions: ['SELECT'],
      rule_sets: ['SELECT'],
      models: ['SELECT'],
      api_keys: ['SELECT', 'UPDATE (last_used_at)'],
      api_secrets: ['SELECT'],
      rate_limits: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
    },
    routines: INDEXED,
  },
  // pipeline/store, pipeline/labels, pipeline/models/store.ts and pipeline/rules/store.ts
  fraud_detector: {
    tables: {
      transactions: ['SELECT', 'INSERT'],
      positions: ['SELECT', 'INSERT', 'UPDATE'],
      skipped: ['SELECT', 'INSERT'],
      checkpoints: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
      checkpoint_pieces: ['SELECT', 'INSERT'],
      labels: ['SELECT', NEW_LABEL],
      reference_days: ['SELECT', 'INSERT'],
      reference_day_pieces: ['SELECT', 'INSERT'],
      rule_sets: ['SELECT', 'INSERT (version, rules)', 'UPDATE (started_at)'],
      models: ['SELECT', NEW_MODEL],
    },
    routines: [...INDEXED, 'ensure_transactions_partition', 'move_positions', 'activate_first_model'],
  },
  // api/auth/key-changes.ts, api/audit, pipeline/models/command.ts and pipeline/dead-letters/replays.ts
  fraud_operator: {
    tables: {
      api_keys: [
        'SELECT',
        'INSERT (id, name, secret_hash, scopes, created_by, expires_at)',
        'UPDATE (replaced_by, expires_at, revoked_at)',
      ],
      // Without the columns of a status, which a row that tells of one must have.
      status_audit: ['SELECT', 'INSERT (action, actor, details)'],
      audit_head: ['SELECT'],
      models: ['SELECT', NEW_MODEL, 'UPDATE (is_active, activated_at)'],
      dead_letter_replays: [
        'SELECT',
        'INSERT (topic, partition, offset, digest, replays)',
        'UPDATE (replays, replayed_at)',
      ],
    },
  },
  // pipeline/history, pipeline/train and pipeline/backtest
  fraud_trainer: {
    tables: {
      transactions: ['SELECT'],
      labels: ['SELECT'],
      reference_days: ['SELECT'],
      reference_day_pieces: ['SELECT'],
      models: ['SELECT', NEW_MODEL],
    },
  },
  fraud_analyst: { tables: { masked_transactions: ['SELECT'] } },
  // pg_dump: the partitions by themselves, too. Not pg_read_all_data, which reads all databases of the server.
  fraud_backup: { tables: { '*': ['SELECT'] } },
  // Nothing of Weir's: what exporters of the database's own numbers ask for.
  fraud_metrics: {
    tables: {
      positions: ['SELECT'],
      skipped: ['SELECT'],
      checkpoints: ['SELECT'],
      reference_days: ['SELECT'],
      audit_head: ['SELECT'],
      models: ['SELECT (version, kind, created_at, is_active, activated_at)'],
      api_keys: ['SELECT (id, expires_at, revoked_at, last_used_at)'],
    },
  },
  fraud_retention: {
    tables: { transactions: ['SELECT (timestamp)'], reference_days: ['SELECT', 'DELETE'] },
    routines: ['drop_transactions_month'],
  },
}
