import { startApi } from '../../api/main.ts'
import { startServers } from '../../deploy/local/servers.ts'
import { withClient } from '../../schemas/database.ts'
import { createLogger } from '../../schemas/log.ts'
import { migrate } from '../../schemas/migrate.ts'
import { loadSettings } from '../../schemas/settings.ts'
import { STATUSES } from '../../schemas/transaction.ts'

export const KEY = 'a-key-for-check-api-only'

/** No limit may be what a call is refused for: these are checked elsewhere. */
const MANY = '1000000000'

/**
 * Runs the API over a PostgreSQL of its own with some anomalies in it; nothing is left afterwards.
 * @param use gets the API's address
 */
export async function withApi<T>(signal: AbortSignal, use: (url: string) => Promise<T>): Promise<T> {
  await using servers = await startServers({
    // Nothing of the API needs them, so none is started.
    settings: { KAFKA_BROKERS: ['127.0.0.1:1'], SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' },
    signal,
  })
  const log = createLogger('check-api', 'error')
  await migrate(servers.DATABASE_URL, log)
  await seed(servers.DATABASE_URL)
  const settings = loadSettings(['DATABASE_URL', 'API_KEY'], {
    NODE_ENV: 'test',
    DATABASE_URL: servers.DATABASE_URL,
    API_KEY: KEY,
    PORT: '0',
    RATE_LIMIT_HEALTH: MANY,
    RATE_LIMIT_READY: MANY,
    RATE_LIMIT_READ: MANY,
    RATE_LIMIT_WRITE: MANY,
    RATE_LIMIT_FAILURES: MANY,
  })
  const api = await startApi({ settings, log })
  try {
    return await use(api.url)
  } finally {
    await api.stop()
  }
}

/**
 * 35 anomalies of five accounts, in all statuses, and five transactions that are none; those that the document's examples
 * name are among them.
 */
const SEED = `
  INSERT INTO transactions
  SELECT 'T-' || 1041 + i, 'ACC-' || 6 + i % 5, '2026-11-24T09:30:00Z'::timestamptz - (i - 1) * interval '7 hours',
         1000 + 12.34 * i, 'EUR', 'M-' || 30 + i % 3, 'Electronics', 'Paris, FR', 'ATM', NULL,
         CASE WHEN anomaly THEN 0.99 - i % 30 / 100.0 ELSE 0.1 END, anomaly, CASE WHEN anomaly THEN 'HIGH_DEVIATION' END,
         CASE WHEN anomaly THEN '[{"code": "HIGH_DEVIATION", "score": 0.8, "message": "The amount is high.",
                             "checks": [{"feature": "deviation", "operator": ">=", "limit": 5, "value": null}]},
                            {"code": "MODEL", "contributions": [{"input": "amount", "value": 12.34, "contribution": 0.1}]}]'::jsonb END,
         CASE WHEN anomaly THEN '{"amount": 12.34, "deviation": null}'::jsonb END,
         CASE WHEN anomaly THEN ($1::text[])[1 + i % 4] END, 'rules-1', 'model-1', 0, i
  FROM generate_series(1, 40) AS i, LATERAL (SELECT i % 8 <> 0 AS anomaly) AS a`

const DECIDERS = `
  INSERT INTO rule_sets (version, rules)
  VALUES ('rules-1', '[{"code": "HIGH_DEVIATION", "score": 0.8, "when": "deviation >= 5.0", "message": "The amount is high."}]');
  INSERT INTO models (version, kind, artifact, features, trained_from, metrics, is_active)
  VALUES ('model-1', 'lightgbm', '{}', '{amount,deviation}', '2026-08-01', '{"average_precision": 0.71}', true),
         ('model-0', 'isolation-forest', '{}', '{amount}', NULL, '{}', false)`

const seed = (url: string): Promise<void> =>
  withClient({ connectionString: url, application_name: 'weir-check-api' }, async (client) => {
    await client.query(`SELECT ensure_transactions_partition('2026-11-01')`)
    await client.query(SEED, [STATUSES])
    await client.query(DECIDERS)
  })
