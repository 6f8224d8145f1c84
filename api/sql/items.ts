import type { Channel, Status } from '../../schemas/transaction.ts'

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
 * @param parameter e.g. `$2`, a timestamptz
 */
export const atTime = (parameter: string): string =>
  `t.timestamp >= ${parameter} AND t.timestamp < ${parameter}::timestamptz + interval '1 millisecond'`

/** A condition on `transactions t`, its values, and a name that tells it from the other ones in a statement's name. */
export interface Which {
  sql: string
  values: string[]
  name: string
}

/** The anomalies with an id, of one event time where it is given: one statement for both would be planned for neither. */
export const anomaliesWithId = (transactionId: string, timestamp: string | undefined): Which =>
  timestamp === undefined
    ? { sql: 't.transaction_id = $1 AND t.is_anomaly', values: [transactionId], name: 'by-id' }
    : {
        sql: `t.transaction_id = $1 AND t.is_anomaly AND ${atTime('$2')}`,
        values: [transactionId, timestamp],
        name: 'by-id-and-time',
      }

/** The event time with its microseconds, as text that compares as the time does. */
export const EXACT_TIME = `${exactIsoTime('t.timestamp')} AS exact_time`
