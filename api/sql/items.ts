import type { Channel, Status } from '../../schemas/transaction.ts'
import type { Given } from './given.ts'

/** A row of `transactions` as the API shows it: keys are the columns' names. */
export interface Item {
  transaction_id: string
  account_id: string
  /** ISO 8601, UTC, milliseconds. */
  timestamp: string
  /** Decimal string with four decimals. */
  amount: string
  currency: string
  merchant_id: string | null
  merchant_category: string
  location: string
  channel: Channel
  is_fraud: boolean | null
  score: number
  is_anomaly: boolean
  alert_reason: string | null
  reasons: Reason[] | null
  features: Record<string, number | string | boolean | null> | null
  status: Status | null
  rules_version: string
  model_version: string
  kafka_partition: number
  kafka_offset: number
}

export interface Reason {
  code: string
  score?: number
  message?: string
  checks?: {
    feature: string
    operator: '>=' | '<=' | '>' | '<' | '=='
    limit: number
    value: number | null
  }[]
  contributions?: { input: string; value: number | null; contribution: number }[]
}

/** An item, and the version of its row: it changes with every update and is the ETag. */
export interface VersionedItem extends Item {
  version: string
}

/** A timestamptz as ISO 8601 in UTC, whatever the session's zone and DateStyle are. */
export const isoTime = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** As {@link isoTime}, with microseconds. */
export const exactIsoTime = (column: string): string =>
  `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** The select list of an {@link Item} from `transactions t`. */
export const ITEM = `
  t.transaction_id, t.account_id, ${isoTime('t.timestamp')} AS timestamp, t.amount, t.currency, t.merchant_id,
  t.merchant_category, t.location, t.channel, t.is_fraud, t.score, t.is_anomaly, t.alert_reason, t.reasons,
  t.features, t.status, t.rules_version, t.model_version, t.kafka_partition, t.kafka_offset`

/** The columns of an {@link Item}, in its order. */
export const COLUMNS = [
  'transaction_id',
  'account_id',
  'timestamp',
  'amount',
  'currency',
  'merchant_id',
  'merchant_category',
  'location',
  'channel',
  'is_fraud',
  'score',
  'is_anomaly',
  'alert_reason',
  'reasons',
  'features',
  'status',
  'rules_version',
  'model_version',
  'kafka_partition',
  'kafka_offset',
] as const satisfies readonly (keyof Item)[]

/** xmin is the transaction that wrote this version of the row, so also NEW, FRAUD, NEW again are three versions. */
export const VERSION = 't.xmin::text AS version'

/**
 * The condition on an event time given to the millisecond; rows written by others may have microseconds.
 * Keeps the planner able to leave out the other months.
 * @param row of a table with event times
 * @param parameter e.g. `$2`, a timestamptz
 */
export const atTime = (row: string, parameter: string): string =>
  `${row}.timestamp >= ${parameter} AND ${row}.timestamp < ${parameter}::timestamptz + interval '1 millisecond'`

/**
 * The anomalies with an id, of one event time where it is given: one statement for both would be planned for neither, so
 * the name tells the two apart.
 */
export function anomaliesWithId(
  given: Given,
  transactionId: string,
  timestamp: string | undefined,
): { sql: string; name: string } {
  const byId = `t.transaction_id = ${given(transactionId)} AND t.is_anomaly`
  return timestamp === undefined
    ? { sql: byId, name: 'by-id' }
    : { sql: `${byId} AND ${atTime('t', given(timestamp))}`, name: 'by-id-and-time' }
}

/** The event time with its microseconds, as text that compares as the time does. */
export const EXACT_TIME = `${exactIsoTime('t.timestamp')} AS exact_time`
