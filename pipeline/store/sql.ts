import pg from 'pg'
import type { Transaction } from '../../schemas/transaction.ts'
import { formatAmount } from '../../schemas/transaction.ts'
import type { Batch } from '../batch.ts'
import type { LastRecord } from '../source/last-record.ts'
import { COLUMNS } from './copy-encoder.ts'
import type { Move } from './moves.ts'
import { refuseOtherTopics } from './one-topic.ts'
import { reactionTo } from './reactions.ts'

/** The pipeline's statements. */

const literal = pg.escapeLiteral

export const COPY_TRANSACTIONS = `COPY transactions (${COLUMNS.join(', ')}) FROM STDIN (FORMAT binary)`

/** SQLSTATE of move_positions: a stored position is not the expected one, the partition is no longer ours. */
export const FENCED = 'WR002'

/**
 * What follows the COPY of batches in the same message: PostgreSQL runs all statements of a message in one transaction,
 * goes on behind a COPY by itself, and rolls all of it back at the first error
 * (https://www.postgresql.org/docs/current/protocol-flow.html, "Multiple Statements in a Simple Query").
 * None of them returns rows, which the COPY's stream would not take.
 */
export const storing = (batches: readonly Batch[], moves: readonly Move[]): string[] => [
  ...batches.filter((batch) => batch.rejects.length + batch.duplicates.length > 0).map(insertSkipped),
  movePositions(moves),
]

/** Moves positions by compare-and-set, with the counters of what became of the batches. @param moves of one topic */
function movePositions(moves: readonly Move[]): string {
  const list = moves.map((move) => ({
    partition: move.owner.partition,
    expected: move.fromOffset,
    next_offset: move.nextOffset,
    stored: move.stored,
    anomalies: move.anomalies,
    duplicates: move.duplicates,
    dead_letters: move.deadLetters,
    last_offset: move.last?.offset,
    last_timestamp: move.last?.timestamp,
    last_crc: move.last?.crc,
  }))
  return `CALL move_positions(${literal(moves[0].owner.topic)}, ${literal(JSON.stringify(list))})`
}

/** Records that were processed without becoming a row. A topic that is read again leaves some out again. */
function insertSkipped({ owner, duplicates, rejects }: Batch): string {
  const skipped = [
    ...duplicates.map((offset) => `(${offset}, 'DUPLICATE')`),
    ...rejects.map(({ record, code }) => `(${record.offset}, ${literal(code)})`),
  ]
  return `INSERT INTO skipped (topic, partition, "offset", code)
     SELECT ${literal(owner.topic)}, ${owner.partition}, * FROM (VALUES ${skipped.join(', ')}) AS v
     ON CONFLICT (topic, partition, "offset") DO NOTHING`
}

/** The stored position. Waits for a transaction that is just moving it, so that the answer is final. */
export async function readPositionFinally(
  client: pg.ClientBase,
  topic: string,
  partition: number,
): Promise<number> {
  const { rows } = await client.query<{ next_offset: number }>(
    'SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2 FOR UPDATE',
    [topic, partition],
  )
  if (rows.length === 0) throw new Error(`the position of ${topic}/${partition} was deleted`)
  return rows[0].next_offset
}

/** Far longer than a lane of a process that runs keeps anything from another one. */
const LOCK_TIMEOUT_MS = 5000

/** From here on a wait for a lock ends with SQLSTATE 55P03 after 5 s: then {@link endStopped}. */
export async function limitLockWaits(client: pg.ClientBase): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`)
}

/**
 * Ends the lanes that wait for their client in a transaction, and began to do what they do as long ago as a wait for a
 * lock may take: most likely their process is stopped, and would hold for good what we wait for. One that is ended by
 * mistake only tries again.
 */
export async function endStopped(client: pg.ClientBase): Promise<void> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name LIKE 'weir-pipeline-%-lane-%' AND datname = current_database() AND usename = current_user
       AND pid <> pg_backend_pid() AND state <> 'idle' AND wait_event = 'ClientRead'
       AND state_change < clock_timestamp() - $1 * interval '1 ms'`,
    [LOCK_TIMEOUT_MS],
  )
}

/** A partition's stored position, and the newest record before it as far as that is known. */
export interface Claimed {
  position: number
  last: LastRecord | null
}

/**
 * Makes the partition ours. An old owner's backend is ended first: a process that was stopped in the middle of a COPY
 * holds keys that would block ours, and no timeout of the server ends a COPY that waits for its client.
 * @param lane application_name of the connection that will store the partition
 * @param start the position if it has none yet
 */
export async function claimPosition(
  client: pg.ClientBase,
  topic: string,
  partition: number,
  start: number,
  lane: string,
): Promise<Claimed> {
  await limitLockWaits(client)
  try {
    return await claim(client, topic, partition, start, lane)
  } catch (error) {
    if (reactionTo(error as Error) !== 'blocked') throw error
    await endStopped(client)
    return claim(client, topic, partition, start, lane)
  }
}

async function claim(
  client: pg.ClientBase,
  topic: string,
  partition: number,
  start: number,
  lane: string,
): Promise<Claimed> {
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM positions JOIN pg_stat_activity ON application_name = owner
     WHERE topic = $1 AND partition = $2 AND owner <> $3 AND usename = current_user AND state <> 'idle'`,
    [topic, partition, lane],
  )
  // Only now: it would wait for an old owner's transaction that has the row.
  await client.query(
    'INSERT INTO positions (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [topic, partition, start],
  )
  await refuseOtherTopics(client, topic)
  const { rows } = await client.query<{
    next_offset: number
    last_offset: number | null
    last_timestamp: number
    last_crc: number
  }>(
    `UPDATE positions SET owner = $3 WHERE topic = $1 AND partition = $2
     RETURNING next_offset, last_offset, last_timestamp, last_crc`,
    [topic, partition, lane],
  )
  const [{ next_offset: position, last_offset: offset, last_timestamp: timestamp, last_crc: crc }] = rows
  return { position, last: offset === null ? null : { offset, timestamp, crc } }
}

/** Which of the transactions are stored already: the content of each, by its identity. */
export async function findStored(
  client: pg.ClientBase,
  transactions: Transaction[],
): Promise<Map<string, string>> {
  const { rows } = await client.query(
    `SELECT transaction_id, (extract(epoch FROM timestamp) * 1000)::bigint AS ms, account_id, amount, currency,
            merchant_id, merchant_category, location, channel, is_fraud
     FROM transactions
     JOIN unnest($1::text[], $2::timestamptz[]) AS wanted (id, at) ON transaction_id = id AND timestamp = at`,
    [transactions.map((t) => t.transaction_id), transactions.map((t) => new Date(t.timestamp).toISOString())],
  )
  return new Map(rows.map((r) => [identity(r.transaction_id, r.ms), content(r, r.amount)]))
}

/** What makes two records the same transaction. */
export const identity = (id: string, timestamp: number): string => `${timestamp} ${id}`

/** Everything else in a transaction, to compare. */
export const contentOf = (tx: Transaction): string => content(tx, formatAmount(tx.amount))

const content = (tx: Omit<Transaction, 'amount' | 'timestamp'>, amount: string): string =>
  JSON.stringify([
    tx.account_id,
    amount,
    tx.currency,
    tx.merchant_id,
    tx.merchant_category,
    tx.location,
    tx.channel,
    tx.is_fraud,
  ])

/** Makes the month's partition of the table that holds the time, if there is none. */
export async function ensurePartition(client: pg.ClientBase, at: number): Promise<void> {
  await client.query('SELECT ensure_transactions_partition($1)', [new Date(at).toISOString()])
}
