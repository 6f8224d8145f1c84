import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Manifest } from '../../deploy/backup/manifest.ts'
import { readManifest } from '../../deploy/backup/manifest.ts'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { simulate } from '../../pipeline/produce/simulator.ts'
import { kafkaSink } from '../../pipeline/produce/sink.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { query, testSettings, until } from '../harness.ts'
import {
  databaseOn,
  directoryFor,
  keysFor,
  NO_SYSTEM_POSTGRES,
  startCommand,
  systemPostgres,
  withoutPassword,
} from '../support/backups.ts'
import { label, untilLabels } from '../support/labels.ts'
import { Ledger } from '../support/ledger.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'
import { anotherRun, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { ALL_FEATURES, differingDecisions, positions } from '../support/tables.ts'
import { endOffsets, quiet, sendLabels } from '../support/topics.ts'

/** Transactions of one piece; 20 pieces a second. */
const PIECE = 25

/** Simulated traffic, of which some is not valid. */
function* traffic(): Generator<Transaction, never> {
  let n = 0
  for (const tx of simulate({ seed: 71, accounts: 100, fraudShare: 0.05 })) {
    yield tx
    if (++n % 97 === 0) yield { ...tx, transaction_id: `invalid-${n}`, currency: '' }
  }
  throw new Error('the simulation never ends')
}

async function produceUntil(stopped: AbortSignal, settings: PipelineSettings, ledger: Ledger): Promise<void> {
  const sink = await kafkaSink({ settings, log: quiet })
  const transactions = traffic()
  try {
    while (!stopped.aborted) {
      const piece = Array.from({ length: PIECE }, () => transactions.next().value)
      await Promise.all([ledger.record(piece, (some) => sink.send(some)), sleep(50)])
    }
  } finally {
    await sink.close()
  }
}

const storedIn = async (settings: PipelineSettings): Promise<number> =>
  (await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)).reduce((sum, p) => sum + p.stored, 0)

const untilStored = (settings: PipelineSettings, count: number) =>
  until(async () => (await storedIn(settings)) >= count, { seconds: 40, what: `${count} rows` })

const labelsNumbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => label({ transaction_id: `labelled-${from + i}` }))

test('a backup made under load is verified and restored, and the pipeline goes on from it: nothing is lost or doubled', {
  skip: NO_SYSTEM_POSTGRES,
  timeout: 90_000,
}, async (t) => {
  const server = await systemPostgres(t)
  const settings = await testSettings(t, {
    DATABASE_URL: await databaseOn(server, { migrated: true }),
    TOPIC_PARTITIONS: '3',
    BATCH_MAX_RECORDS: '50',
    CHECKPOINT_SECONDS: '1',
    ...ALL_FEATURES,
  })
  const run = (DATABASE_URL: string, ...args: string[]) =>
    startCommand(
      {
        DATABASE_URL,
        KAFKA_BROKERS: settings.KAFKA_BROKERS.join(','),
        KAFKA_GROUP_ID: settings.KAFKA_GROUP_ID,
        LABELS_TOPIC: settings.LABELS_TOPIC,
      },
      ...args,
    ).ended
  const succeed = async (DATABASE_URL: string, ...args: string[]) => {
    const ended = await run(DATABASE_URL, ...args)
    assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.errors}`)
    return ended
  }

  const ledger = new Ledger()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const producing = produceUntil(stop.signal, settings, ledger)
  const before = pipelineProcess(t, settings)
  const key = (await succeed(settings.DATABASE_URL, 'keys', 'create', '--name', 'leaked', '--json')).json()
  await sendLabels(settings, labelsNumbered(0, 50))
  await untilLabels(settings.DATABASE_URL, 50)
  await untilStored(settings, 500)

  // The backup, while rows, labels and checkpoints are written.
  const { identity, recipients } = await keysFor(t)
  const directory = directoryFor(t)
  const storedBefore = await storedIn(settings)
  const made = (
    await succeed(
      settings.DATABASE_URL,
      ...['backup', 'create', '--dir', directory, '--recipients', recipients, '--json'],
    )
  ).json() as Pick<Manifest, 'size'> & { backup: string }
  const storedAfter = await storedIn(settings)
  assert.ok(storedAfter > storedBefore, 'the stream went on meanwhile')

  // What the backup will not know of.
  await succeed(settings.DATABASE_URL, 'keys', 'revoke', String(key.id))
  await sendLabels(settings, labelsNumbered(50, 80))
  await untilLabels(settings.DATABASE_URL, 80)
  await untilStored(settings, storedAfter + 500)
  before.signal('SIGTERM')
  assert.equal(await before.ended(), 0)
  const lostAt = await storedIn(settings)
  await query(server, `DROP DATABASE ${new URL(settings.DATABASE_URL).pathname.slice(1)} WITH (FORCE)`)

  const restoring = performance.now()
  await succeed(server, 'backup', 'verify', directory, '--identity', identity)
  const verified = performance.now()
  const { facts } = readManifest(made.backup)
  const dumped = facts.positions.reduce((sum, p) => sum + p.stored, 0)
  assert.ok(dumped >= storedBefore && dumped <= storedAfter && dumped < lostAt)

  const restoredUrl = await databaseOn(server)
  const { url: into, PGPASSWORD } = withoutPassword(restoredUrl)
  const restored = await startCommand(
    { PGPASSWORD },
    ...['backup', 'restore', made.backup, '--identity', identity, '--into', into, '--json'],
  ).ended
  assert.equal(restored.code, 0, restored.errors)
  t.diagnostic(
    `${dumped} of ${lostAt} rows in ${made.size} bytes; verified in ${((verified - restoring) / 1000).toFixed(1)} s, ` +
      `restored in ${((performance.now() - verified) / 1000).toFixed(1)} s`,
  )
  // The key that was revoked is valid again: the restore says so.
  assert.deepEqual(restored.json().valid_keys, [{ id: key.id, name: 'leaked' }])
  await succeed(restoredUrl, 'keys', 'revoke', String(key.id))
  assert.equal((await succeed(restoredUrl, 'labels', 'rewind', '--json')).json().labels, 80)

  const afterwards = { ...settings, DATABASE_URL: restoredUrl }
  const second = pipelineProcess(t, afterwards)
  await untilStored(afterwards, lostAt + 100)
  stop.abort()
  await producing
  await untilProcessed(afterwards)
  await untilLabels(restoredUrl, 80)
  second.signal('SIGTERM')
  assert.equal(await second.ended(), 0)

  const account = await ledger.settle(afterwards)
  const { lost, duplicated, unexpected } = account
  assert.deepEqual({ lost, duplicated, unexpected }, { lost: 0, duplicated: 0, unexpected: 0 })
  assert.equal(account.stored + account.dead_lettered, account.acknowledged)
  assert.ok(account.dead_lettered > 3, 'too little was sent')
  const reached = await positions(restoredUrl, settings.TRANSACTIONS_TOPIC)
  assert.deepEqual(
    reached.map((p) => p.next_offset),
    await endOffsets(settings),
  )
  for (const p of reached) assert.equal(p.stored + p.duplicates + p.dead_letters, p.next_offset)
  const labels = await query(restoredUrl, 'SELECT 1 FROM labels')
  assert.equal(labels.length, 80, 'each label once')
  assert.equal((await succeed(restoredUrl, 'audit', 'verify', '--json')).json().whole, true)
  const done = await query<{ action: string }>(
    restoredUrl,
    `SELECT action FROM status_audit WHERE action !~ '^model' ORDER BY seq`,
  )
  assert.deepEqual(
    done.map(({ action }) => action),
    ['key.create', 'database.restore', 'key.revoke'],
  )

  const undisturbed = await anotherRun(t, settings)
  await runToEnd(undisturbed)
  assert.deepEqual((await differingDecisions(restoredUrl, undisturbed.DATABASE_URL)).slice(0, 5), [])
  assert.equal((await run(restoredUrl, 'backup', 'list', join(directory, 'nothing'))).code, 1)
})
