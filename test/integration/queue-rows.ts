import { query } from '../harness.ts'

/** An anomaly for the tests of the queue; what a test does not name is as usual. */
export interface QueueRow {
  id: string
  account?: string
  /** May have microseconds. */
  time?: string
  amount?: string
  score?: number
  status?: string | null
  merchant?: string | null
  category?: string
  /** The main one first. */
  codes?: string[]
  features?: Record<string, unknown>
}

/** Writes many anomalies at once, with the months that they need. */
export async function insertAnomalies(url: string, rows: readonly QueueRow[]): Promise<void> {
  const of = <T>(value: (row: QueueRow) => T) => rows.map(value)
  const times = of(({ time = '2026-11-24T09:30:00.000Z' }) => time)
  await query(url, 'SELECT ensure_transactions_partition(m::timestamptz) FROM unnest($1::text[]) m', [times])
  const codes = of(({ codes = ['HIGH_AMOUNT'] }) => codes)
  await query(
    url,
    `INSERT INTO transactions
     SELECT id, account, time, amount, 'EUR', merchant, category, 'Paris, FR', 'ATM', NULL, score, TRUE, reason, reasons,
            features, status, 'rules-1', 'model-1', 0, n
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[], $5::text[], $6::text[], $7::real[], $8::text[],
                 $9::jsonb[], $10::jsonb[], $11::text[])
       WITH ORDINALITY AS r(id, account, time, amount, merchant, category, score, reason, reasons, features, status, n)`,
    [
      of(({ id }) => id),
      of(({ account = 'ACC-1' }) => account),
      times,
      of(({ amount = '12.3400' }) => amount),
      of(({ merchant = 'M-1' }) => merchant),
      of(({ category = 'Grocery' }) => category),
      of(({ score = 0.8 }) => score),
      codes.map(([main]) => main),
      codes.map((all) => JSON.stringify(all.map((code) => ({ code, score: 0.8 })))),
      of(({ features = { amount: 12.34 } }) => JSON.stringify(features)),
      of(({ status = 'NEW' }) => status),
    ],
  )
}
