import { TERMS } from './anomaly-filter.ts'
import type { Query } from './database.ts'
import { parameters } from './given.ts'
import { anomaliesWithId, ITEM, isoTime, VERSION, type VersionedItem } from './items.ts'
import { historyOf, type StatusEntry } from './statuses.ts'

/** An anomaly, and what else was seen of its account and was decided about it. */
export interface AnomalyDetail extends VersionedItem {
  /** The account's ten newest anomalies before this one, newest first. */
  earlier_anomalies: EarlierAnomaly[]
  /** Its changes of status, newest first. */
  audit: StatusEntry[]
}

export type EarlierAnomaly = Pick<
  VersionedItem,
  'transaction_id' | 'timestamp' | 'amount' | 'currency' | 'merchant_id' | 'score' | 'alert_reason' | 'status'
>

/** So many of an account's anomalies are read and sorted sooner than everybody's are walked back through. */
const FEW_OWN = 2000

/** The anomalies `e` before the row `t`; the amount as text, since JSON's numbers are not exact. */
const earlierOf = (source: string): string => `
  SELECT e.transaction_id, ${isoTime('e.timestamp')} AS timestamp, e.amount::text, e.currency, e.merchant_id, e.score,
         e.alert_reason, e.status
  FROM ${source} AND e.timestamp < t.timestamp ORDER BY e.timestamp DESC, e.transaction_id LIMIT 10`

/** A query's rows as one list, in its order. */
const listOf = (sql: string): string => `(SELECT coalesce(json_agg(l), '[]') FROM (${sql}) l)`

/**
 * One anomaly by its id, with all that is shown beside it, in one statement: each more would take longer than what it
 * looks up. Few anomalies of its account are read and sorted; an account that has many has ten soon on the way back
 * through time. PostgreSQL cannot tell the two apart, and would walk back through everybody's anomalies for an account that
 * has three.
 * @param timestamp the event time to the millisecond; undefined for the newest
 */
export async function readAnomaly(
  query: Query,
  transactionId: string,
  timestamp: string | undefined,
): Promise<AnomalyDetail | undefined> {
  const { values, given } = parameters()
  const which = anomaliesWithId(given, transactionId, timestamp)
  const [item] = await query<AnomalyDetail>(
    `WITH item AS MATERIALIZED (
       SELECT t.*, ${VERSION} FROM transactions t WHERE ${which.sql} ORDER BY t.timestamp DESC LIMIT 1),
     own AS MATERIALIZED (
       SELECT t.* FROM item i CROSS JOIN LATERAL (
         SELECT * FROM transactions t
         WHERE t.is_anomaly AND ${TERMS} @> ARRAY['a' || i.account_id] AND t.account_id = i.account_id
         LIMIT ${FEW_OWN}) t)
     SELECT ${ITEM}, t.version,
       CASE WHEN (SELECT count(*) FROM own) < ${FEW_OWN} THEN ${listOf(earlierOf('own e WHERE true'))}
            ELSE ${listOf(earlierOf('transactions e WHERE e.is_anomaly AND e.account_id = t.account_id'))} END
       AS earlier_anomalies,
       ${listOf(historyOf('a.transaction_id = t.transaction_id AND a.timestamp = t.timestamp'))} AS audit
     FROM item t`,
    values,
    `read-${which.name}`,
  )
  return item
}
