import type { Query } from './database.ts'
import { isoTime } from './items.ts'

export interface Count {
  status: string
  /** The code of the main reason; null if none was recorded. */
  reason: string | null
  count: number
  /** The oldest event time, ISO 8601. */
  oldest: string
}

/** Anomalies by status and main reason: one pass over the index `transactions_anomaly_time`, and nothing but it. */
export const countAnomalies = (query: Query): Promise<Count[]> =>
  query<Count>(
    `SELECT coalesce(t.status, 'NEW') AS status, t.alert_reason AS reason, count(*) AS count,
            ${isoTime('min(t.timestamp)')} AS oldest
     FROM transactions t WHERE t.is_anomaly GROUP BY 1, 2`,
  )

export interface HourCount {
  /** The hour's beginning, ISO 8601. */
  hour: string
  count: number
}

/** Anomalies of each hour of event time that began in the 24 h up to a moment; hours without any are there too. */
export const countByHour = (query: Query, now: Date): Promise<HourCount[]> =>
  query<HourCount>(
    `SELECT ${isoTime('h.hour')} AS hour,
            (SELECT count(*) FROM transactions t
             WHERE t.is_anomaly AND t.timestamp >= h.hour AND t.timestamp < h.hour + interval '1 hour') AS count
     FROM generate_series(date_bin('1 hour', $1::timestamptz, '2000-01-01 00:00:00+00') - interval '23 hours',
                          $1::timestamptz, '1 hour') AS h(hour) ORDER BY h.hour`,
    [now.toISOString()],
  )
