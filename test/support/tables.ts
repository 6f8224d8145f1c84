import assert from 'node:assert/strict'
import { query } from '../harness.ts'

/** What the pipeline wrote, as PostgreSQL prints it. */

export interface StoredRow {
  transaction_id: string
  account_id: string
  /** Milliseconds. */
  ms: number
  amount: string
  currency: string
  merchant_id: string | null
  merchant_category: string
  location: string
  channel: string
  is_fraud: boolean | null
  score: number
  is_anomaly: boolean
  alert_reason: string | null
  reasons: { code: string; score: number; message: string }[] | null
  features: Record<string, number | string | null> | null
  status: string | null
  rules_version: string
  model_version: string
  kafka_partition: number
  kafka_offset: number
}

/** All rows, by partition and offset. */
export const storedRows = (url: string): Promise<StoredRow[]> =>
  query(
    url,
    `SELECT *, (extract(epoch FROM timestamp) * 1000)::bigint AS ms
     FROM transactions ORDER BY kafka_partition, kafka_offset`,
  )

export interface Position {
  next_offset: number
  stored: number
  anomalies: number
  duplicates: number
  dead_letters: number
}

/** The topic's positions, by partition. */
export const positions = (url: string, topic: string): Promise<Position[]> =>
  query(
    url,
    `SELECT next_offset, stored, anomalies, duplicates, dead_letters
     FROM positions WHERE topic = $1 ORDER BY partition`,
    [topic],
  )

/** Offsets that did not become rows, as "partition/offset code", by partition and offset. */
export async function skippedOffsets(url: string, topic: string): Promise<string[]> {
  const rows = await query<{ entry: string }>(
    url,
    `SELECT partition || '/' || "offset" || ' ' || code AS entry
     FROM skipped WHERE topic = $1 ORDER BY partition, "offset"`,
    [topic],
  )
  return rows.map((row) => row.entry)
}

/**
 * Settings under which every transaction is an anomaly: so the features of all are stored, and can be compared. Weeks
 * sent in seconds are known in part when their days are needed, as the batches happen to be cut: no label is ever due.
 */
export const ALL_FEATURES = { ANOMALY_THRESHOLD: '0', LABEL_DELAY_DAYS: '3650' }

/** A decision as one text, the score to the bit. */
interface Decision {
  key: string
  decision: string
}

/**
 * Every row's decision, by what tells two runs' rows apart.
 * @param key `place` (partition and offset) for runs over the same records, `identity` where the offsets differ
 */
async function decisions(url: string, key: 'place' | 'identity'): Promise<Map<string, string>> {
  const rows = await query<Decision>(
    url,
    `SELECT ${key === 'place' ? `kafka_partition || '/' || kafka_offset || ' '` : `''`} || transaction_id AS key,
            concat_ws(' ', encode(float4send(score), 'hex'), is_anomaly, alert_reason, reasons, features,
                      rules_version, model_version) AS decision
     FROM transactions ORDER BY kafka_partition, kafka_offset`,
  )
  assert.ok(rows.length > 0, 'no rows: nothing was compared')
  return new Map(rows.map((row) => [row.key, row.decision]))
}

/** Rows whose decision differs between two databases, or that only one of them has; a few of them, told in full. */
export async function differingDecisions(
  url: string,
  other: string,
  key: 'place' | 'identity' = 'place',
): Promise<string[]> {
  const [here, there] = await Promise.all([decisions(url, key), decisions(other, key)])
  const keys = new Set([...here.keys(), ...there.keys()])
  return [...keys]
    .filter((k) => here.get(k) !== there.get(k))
    .map((k) => `${k}: ${here.get(k)} / ${there.get(k)}`)
}
