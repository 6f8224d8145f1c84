/**
 * The roles of PostgreSQL that Weir's processes and commands log in as. What each may do is in `grants.ts`;
 * `deploy/roles.md` tells how they are made and used.
 */
export interface RoleDesign {
  /** What logs in as it. */
  runs: string
  /**
   * Connections at once, so that none takes all of the server's. Together they are 97: what a server with
   * max_connections = 100 has for others than its superuser.
   */
  connections: number
  /** What its sessions begin with, in PostgreSQL's units. 0 is none. A session may set others. */
  timeouts: Record<Timeout, string>
}

export const TIMEOUTS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const
type Timeout = (typeof TIMEOUTS)[number]

const timeouts = (statement: string, lock: string, idle: string): RoleDesign['timeouts'] => ({
  statement_timeout: statement,
  lock_timeout: lock,
  idle_in_transaction_session_timeout: idle,
})

export const ROLES = {
  // Indexes take hours to build. What waits for a table keeps all others waiting behind it.
  fraud_owner: { runs: 'migrate; owns the tables', connections: 4, timeouts: timeouts('0', '5min', '5min') },
  // The API has its own STATEMENT_TIMEOUT_MS; this is for what else logs in as it.
  fraud_api: { runs: 'api', connections: 40, timeouts: timeouts('30s', '10s', '30s') },
  // The pipeline gives a statement up after five minutes at most.
  fraud_detector: { runs: 'pipeline', connections: 36, timeouts: timeouts('15min', '30s', '5min') },
  fraud_operator: {
    runs: 'keys, audit, models, dead-letters',
    connections: 3,
    timeouts: timeouts('10min', '10s', '5min'),
  },
  // Between two fetches of a history it computes.
  fraud_trainer: { runs: 'train, backtest', connections: 3, timeouts: timeouts('1h', '10s', '15min') },
  fraud_analyst: {
    runs: 'people’s queries of masked_transactions',
    connections: 3,
    timeouts: timeouts('5min', '5s', '5min'),
  },
  fraud_backup: { runs: 'backup', connections: 4, timeouts: timeouts('0', '5min', '0') },
  fraud_metrics: { runs: 'exporters of metrics', connections: 2, timeouts: timeouts('10s', '2s', '10s') },
  // What waits to drop a month keeps the pipeline waiting behind it.
  fraud_retention: {
    runs: 'what drops old months',
    connections: 2,
    timeouts: timeouts('1h', '5s', '1min'),
  },
} as const satisfies Record<string, RoleDesign>

export type RoleName = keyof typeof ROLES

/** Owns all tables and functions; nothing but migrations logs in as it. */
export const OWNER = 'fraud_owner' satisfies RoleName

export const ROLE_NAMES = Object.keys(ROLES) as RoleName[]
