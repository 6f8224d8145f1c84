import type pg from 'pg'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { Ownership } from '../batch.ts'
import type { LabelledTransaction } from '../features/labelled.ts'
import { dayOf, type Span } from './days.ts'
import { storedReferences } from './references.ts'
import {
  firstDays,
  type Input,
  type InputSource,
  ownership,
  type StateOptions,
  type StoredDecision,
} from './sources.ts'

type Row = LabelledTransaction & StoredDecision

/** Rows of a partition that wait, at most. */
const ROWS = 10_000

/**
 * Stored transactions with event time in the span: those of each partition in the order of their offsets, and the
 * partitions by turns, a day of event time at a time: so that what is learned from all of them comes before its use.
 * A transaction's label is the last one, else what its source knew; the others are there, too.
 */
export async function fromTable(
  client: pg.ClientBase,
  span: Span,
  state: StateOptions,
): Promise<InputSource> {
  let reached = span.from
  async function* batches(): AsyncGenerator<Input> {
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    try {
      for await (const { partition, rows } of inTurns(await openPartitions(client, span, state))) {
        reached = rows[0].timestamp
        yield { owner: partition.owner, transactions: rows, stored: rows }
      }
    } finally {
      await client.query('ROLLBACK')
    }
  }
  return {
    batches: batches(),
    references: storedReferences(client, state.delayDays),
    fraction: () => (reached - span.from) / (span.to - span.from),
  }
}

interface Partition {
  owner: Ownership
  waiting: Row[]
  fetch: () => Promise<Row[]>
}

/** Runs of rows of one event day of one partition, the earliest day first. */
async function* inTurns(partitions: Partition[]): AsyncGenerator<{ partition: Partition; rows: Row[] }> {
  for (;;) {
    for (const partition of partitions)
      if (partition.waiting.length === 0) partition.waiting = await partition.fetch()
    const left = partitions.filter(({ waiting }) => waiting.length > 0)
    if (left.length === 0) return
    const nextDay = ({ waiting }: Partition): number => dayOf(waiting[0].timestamp)
    const partition = left.reduce((first, other) => (nextDay(other) < nextDay(first) ? other : first))
    yield { partition, rows: partition.waiting.splice(0, firstDays(partition.waiting)) }
  }
}

async function openPartitions(
  client: pg.ClientBase,
  { from, to }: Span,
  state: StateOptions,
): Promise<Partition[]> {
  const within = `timestamp >= '${new Date(from).toISOString()}' AND timestamp < '${new Date(to).toISOString()}'`
  const { rows: found } = await client.query<{ kafka_partition: number }>(
    `SELECT DISTINCT kafka_partition FROM transactions WHERE ${within} ORDER BY kafka_partition`,
  )
  const partitions: Partition[] = []
  for (const { kafka_partition: number } of found) {
    await client.query(
      `DECLARE partition_${number} NO SCROLL CURSOR FOR
       SELECT transaction_id, account_id, (extract(epoch FROM timestamp) * 1000)::bigint AS timestamp,
              (amount * ${AMOUNT_UNITS})::bigint AS amount, currency, merchant_id, merchant_category, location,
              channel, coalesce((l.labels -> -1 ->> 0)::boolean, t.is_fraud) AS is_fraud,
              t.is_fraud AS source_label, l.labels, score, is_anomaly, alert_reason, reasons,
              features, rules_version, model_version, kafka_partition, kafka_offset
       FROM transactions t LEFT JOIN (
         SELECT transaction_id, timestamp,
                json_agg(json_build_array(is_fraud, floor(extract(epoch FROM known_at) * 1000)) ORDER BY known_at, id) AS labels
         FROM labels WHERE ${within} GROUP BY transaction_id, timestamp
       ) l USING (transaction_id, timestamp)
       WHERE kafka_partition = ${number} AND ${within} ORDER BY kafka_offset`,
    )
    partitions.push({
      owner: ownership(number, state),
      waiting: [],
      fetch: async () => (await client.query<Row>(`FETCH ${ROWS} FROM partition_${number}`)).rows,
    })
  }
  return partitions
}
