import { freshDatabase, query, type Scope } from '../harness.ts'
import { type AppOptions, testApp } from '../unit/api-app.ts'

export const JSON_TYPE = { 'Content-Type': 'application/json' }
export const ANOMALIES = '/api/v1/anomalies'

/** A row as the pipeline writes it; what a test does not name is as usual. */
export interface Row {
  id: string
  account?: string
  time?: string
  amount?: string
  score?: number
  status?: string | null
  reasons?: unknown
}

/** Writes rows as the pipeline would, with the partitions that they need. */
export async function insert(url: string, rows: Row[]): Promise<void> {
  for (const row of rows) {
    const { id, account = 'ACC-1', time = '2026-11-24T09:30:00.000Z', amount = '12.3400', score = 0.8 } = row
    const anomaly = score >= 0.7
    const reasons = row.reasons ?? [{ code: 'HIGH_AMOUNT', score, message: 'The amount is high.' }]
    await query(url, 'SELECT ensure_transactions_partition($1)', [time])
    await query(
      url,
      `INSERT INTO transactions VALUES ($1, $2, $3, $4, 'EUR', 'M-1', 'Grocery', 'Paris, FR', 'ATM', NULL,
         $5, $6, $7, $8, $9, $10, 'rules-1', 'model-1', 3, 42)`,
      [
        id,
        account,
        time,
        amount,
        score,
        anomaly,
        anomaly ? 'HIGH_AMOUNT' : null,
        anomaly ? JSON.stringify(reasons) : null,
        anomaly ? JSON.stringify({ amount: 12.34, deviation: null }) : null,
        anomaly ? (row.status ?? 'NEW') : null,
      ],
    )
  }
}

/** An app over a database of its own, whose sessions are not in UTC: nothing may depend on their zone. */
export async function open(t: Scope, rows: Row[], options: AppOptions = {}) {
  const url = await freshDatabase(t)
  await query(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET timezone = 'Asia/Kolkata'`)
  await insert(url, rows)
  const app = testApp({ ...options, env: { DATABASE_URL: url, ...options.env } })
  t.after(() => app.pool.end())
  const put = (id: string, body: unknown, headers: Record<string, string> = {}) =>
    app.call('PUT', `/api/v1/anomalies/${id}`, { ...JSON_TYPE, ...headers }, JSON.stringify(body))
  const statusOf = async (id: string) =>
    (
      await query<{ status: string }>(url, 'SELECT status FROM transactions WHERE transaction_id = $1', [id])
    )[0].status
  /** What it says of changes of a status; the chain has a test of its own. */
  const audit = () =>
    query<Record<string, unknown>>(
      url,
      `SELECT id, transaction_id, timestamp, previous_status, new_status, note, actor, request_id, changed_at
       FROM status_audit ORDER BY seq`,
    )
  return { ...app, url, put, statusOf, audit }
}
