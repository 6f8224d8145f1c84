import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { CopyEncoder } from '../../pipeline/store/copy-encoder.ts'
import { COPY_TRANSACTIONS, ensurePartition } from '../../pipeline/store/sql.ts'
import { createClient } from '../../schemas/database.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { query, type Scope, testSettings, until } from '../harness.ts'
import { judge } from '../support/batches.ts'
import { runningPipeline, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { storedRows } from '../support/tables.ts'
import { sendTransactions } from '../support/topics.ts'

/** Waits until the partition is another lane's than `last`. @returns that lane's name */
const nextOwner = async ({ DATABASE_URL }: PipelineSettings, last = ''): Promise<string> =>
  until(
    async () =>
      (
        await query<{ owner: string }>(DATABASE_URL, 'SELECT owner FROM positions WHERE owner <> $1', [last])
      )[0]?.owner,
    { seconds: 20, what: 'a new owner' },
  )

/** The name of a lane whose process is gone. (A group might wait for a member that was stopped while it joined.) */
async function formerLane(settings: PipelineSettings, last = ''): Promise<string> {
  await using _ = await runningPipeline({ ...settings, KAFKA_GROUP_ID: `${settings.KAFKA_GROUP_ID}-${last}` })
  return await nextOwner(settings, last) // not without await: the process would be stopped first
}

interface Stopped {
  client: pg.Client
  /** The server's message that it is ended. */
  ended: Promise<Error & { code?: string }>
  onError: (error: Error) => void
}

/** A lane's connection whose process will do nothing more. */
async function stoppedLane(t: Scope, { DATABASE_URL }: PipelineSettings, name: string): Promise<Stopped> {
  const client = createClient({ connectionString: DATABASE_URL, application_name: name })
  const { promise: ended, resolve: onError } = Promise.withResolvers<Error & { code?: string }>()
  client.on('error', onError)
  await client.connect()
  t.after(() => client.end().catch(() => {}))
  return { client, ended, onError }
}

/** Begins to store the transactions, and does not send the last of them. */
async function copyHalf({ client, onError }: Stopped, transactions: Transaction[]): Promise<void> {
  const months = new Map(transactions.map((tx) => [new Date(tx.timestamp).toISOString().slice(0, 7), tx]))
  for (const { timestamp } of months.values()) await ensurePartition(client, timestamp)
  const chunks = new CopyEncoder('rules', 'model').encode([judge(transactions)])
  assert.ok(chunks.length > 1)
  await client.query('BEGIN')
  const stream = client.query(copyFrom(COPY_TRANSACTIONS))
  stream.on('error', onError) // while it waits, it gets the server's messages
  for (const chunk of chunks.slice(0, -1)) stream.write(chunk)
}

const holdsKeys = (settings: PipelineSettings, lane: string) =>
  until(
    async () =>
      (
        await query(
          settings.DATABASE_URL,
          `SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND state = 'active' AND wait_event = 'ClientRead'
           AND backend_xid IS NOT NULL`,
          [lane],
        )
      ).length > 0,
    { what: 'a COPY that waits for its client' },
  )

test('a process that is stopped in a COPY, begun after its partition was claimed, does not hold the new owner up', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const former = await formerLane(settings)
  await using pipeline = await runningPipeline(settings)
  await nextOwner(settings, former)
  const sent = simulated(4000, 71)
  const stopped = await stoppedLane(t, settings, former)
  await copyHalf(stopped, sent)
  await holdsKeys(settings, former)
  await sendTransactions(settings, sent)

  const began = performance.now()
  await untilProcessed(settings, { pipeline, seconds: 15 })
  t.diagnostic(`stored after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  assert.equal((await stopped.ended).code, '57P01')
  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), sent.map((tx) => tx.transaction_id).sort())
})

test('a process that is stopped in a transaction that moved a position does not keep the partition from being claimed', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const former = await formerLane(settings)
  await formerLane(settings, former)
  const stopped = await stoppedLane(t, settings, former)
  await stopped.client.query('BEGIN')
  await stopped.client.query('UPDATE positions SET next_offset = 17')
  const sent = simulated(100, 72)
  await sendTransactions(settings, sent)

  await using pipeline = await runningPipeline(settings)
  await untilProcessed(settings, { pipeline, seconds: 15 })
  assert.equal((await stopped.ended).code, '57P01')
  assert.equal((await storedRows(settings.DATABASE_URL)).length, sent.length)
})
