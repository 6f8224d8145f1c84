import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { simulate } from '../../pipeline/produce/simulator.ts'
import { kafkaSink } from '../../pipeline/produce/sink.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { query, testSettings, until } from '../harness.ts'
import { COPY_DONE, databaseProxy, endsRows, tellsOfCommit, type Way } from '../support/database-proxy.ts'
import { Ledger } from '../support/ledger.ts'
import { type PipelineProcess, pipelineProcess } from '../support/pipeline-process.ts'
import { anotherRun, runningPipeline, runToEnd, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { ALL_FEATURES, differingDecisions, positions, storedRows } from '../support/tables.ts'
import { endOffsets, quiet, sendTransactions } from '../support/topics.ts'

const KILLS = 10
/** The shortest that Kafka allows: who goes on in a killed member's group waits for as long. */
const SESSION_MS = '6000'
/** Transactions a second, in pieces of a fiftieth. */
const RATE = 500
/** Makes transactions of many rows, long enough to be met open. */
const BACKLOG = 60_000

/** Simulated traffic, in which some are sent twice, the second time a little later, and some are not valid. */
function* disturbedTraffic(): Generator<Transaction, never> {
  const recent: Transaction[] = []
  let n = 0
  for (const tx of simulate({ seed: 61, accounts: 100, fraudShare: 0.05 })) {
    yield tx
    recent.push(tx)
    if (recent.length > 50) recent.shift()
    if (++n % 41 === 0) yield recent[0]
    if (n % 97 === 0) yield { ...tx, transaction_id: `invalid-${n}`, currency: '' }
  }
  throw new Error('the simulation never ends')
}

/** Sends traffic until it is stopped. */
async function produceUntil(
  stopped: AbortSignal,
  settings: PipelineSettings,
  ledger: Ledger,
  { backlog = 0 } = {},
): Promise<void> {
  const sink = await kafkaSink({ settings, log: quiet })
  const traffic = disturbedTraffic()
  try {
    const first = Array.from({ length: backlog }, () => traffic.next().value)
    await ledger.record(first, (transactions) => sink.send(transactions))
    while (!stopped.aborted) {
      const piece = Array.from({ length: RATE / 50 }, () => traffic.next().value)
      await Promise.all([ledger.record(piece, (transactions) => sink.send(transactions)), sleep(20)])
    }
  } finally {
    await sink.close()
  }
}

const progressOf = async ({ DATABASE_URL, TRANSACTIONS_TOPIC }: PipelineSettings) =>
  (await positions(DATABASE_URL, TRANSACTIONS_TOPIC)).reduce((sum, p) => sum + p.next_offset, 0)

/** Waits until the positions have moved from where they are now. */
async function untilProgress(settings: PipelineSettings, what: string, seconds = 10): Promise<void> {
  const before = await progressOf(settings)
  await until(async () => (await progressOf(settings)) > before, { seconds, what })
}

test('kill -9 at random instants, under traffic: nothing is lost or doubled, and no decision differs from a quiet run', async (t) => {
  const settings = await testSettings(t, {
    TOPIC_PARTITIONS: '3',
    BATCH_MAX_RECORDS: '5',
    COMMIT_MAX_RECORDS: '20',
    QUEUE_BATCHES: '4',
    CHECKPOINT_SECONDS: '1',
    KAFKA_SESSION_TIMEOUT_MS: SESSION_MS,
    ...ALL_FEATURES,
  })
  const ledger = new Ledger()
  const stop = new AbortController()
  const producing = produceUntil(stop.signal, settings, ledger)
  let whileStoring = 0
  let fromCheckpoint = 0
  let group = settings.KAFKA_GROUP_ID
  for (let kill = 1; kill <= KILLS; kill++) {
    const process = pipelineProcess(t, { ...settings, KAFKA_GROUP_ID: group })
    if (kill % 4 !== 0) {
      await untilProgress(settings, `progress before kill ${kill}`, 40)
      whileStoring++
    }
    await sleep(1000 * Math.random())
    process.signal('SIGKILL')
    assert.equal(await process.ended(), 'SIGKILL')
    if (/"checkpoint":\d/.test(process.errors)) fromCheckpoint++
    // The group holds a killed member's partitions until its session times out. Another group is let in at once, and
    // does not know better where to go on: that is in PostgreSQL. The last restart waits for the group.
    if (kill < KILLS) group = `${settings.KAFKA_GROUP_ID}-${kill}`
  }
  const last = pipelineProcess(t, { ...settings, KAFKA_GROUP_ID: group })
  const restarted = performance.now()
  await untilProgress(settings, 'progress after the last kill', 40)
  const stall = (performance.now() - restarted) / 1000
  stop.abort()
  await producing
  await untilProcessed(settings)
  last.signal('SIGTERM')
  assert.equal(await last.ended(), 0)

  const account = await ledger.settle(settings)
  const { lost, duplicated, unexpected } = account
  assert.deepEqual({ lost, duplicated, unexpected }, { lost: 0, duplicated: 0, unexpected: 0 })
  assert.equal(account.acknowledged, account.attempted)
  assert.equal(account.stored + account.dead_lettered, account.acknowledged)
  assert.ok(whileStoring >= KILLS / 2 && fromCheckpoint > 0, 'too little happened')
  assert.ok(account.stored > 1000 && account.dead_lettered > 10, 'too little was sent')

  const undisturbed = await anotherRun(t, settings, { BATCH_MAX_RECORDS: 10_000 })
  await runToEnd(undisturbed)
  const differing = await differingDecisions(settings.DATABASE_URL, undisturbed.DATABASE_URL)
  t.diagnostic(
    `${JSON.stringify({ kills: KILLS, ...account, differing_scores: differing.length })}; ` +
      `going on in the group of a killed member took ${stall.toFixed(1)} s`,
  )
  assert.deepEqual(differing.slice(0, 5), [])
  const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  assert.deepEqual(
    reached.map((p) => p.next_offset),
    await endOffsets(settings),
  )
  for (const p of reached) assert.equal(p.stored + p.duplicates + p.dead_letters, p.next_offset)
})

test('two processes that both believe to own the partitions store each transaction once, with the right decision', async (t) => {
  const settings = await testSettings(t, {
    BATCH_MAX_RECORDS: '40',
    COMMIT_MAX_RECORDS: '80',
    ...ALL_FEATURES,
  })
  const sent = simulated(3000, 63)
  await sendTransactions(settings, sent.slice(0, 1500))
  await using one = await runningPipeline(settings)
  await using other = await runningPipeline({
    ...settings,
    KAFKA_GROUP_ID: `${settings.KAFKA_GROUP_ID}-other`,
  })
  for (let i = 1500; i < sent.length; i += 100) await sendTransactions(settings, sent.slice(i, i + 100))
  await Promise.race([untilProcessed(settings), one.done, other.done])

  const rows = await storedRows(settings.DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), sent.map((tx) => tx.transaction_id).sort())
  const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  for (const p of reached) assert.deepEqual([p.stored, p.duplicates], [p.next_offset, 0])
  const undisturbed = await anotherRun(t, settings)
  await runToEnd(undisturbed)
  assert.deepEqual(await differingDecisions(settings.DATABASE_URL, undisturbed.DATABASE_URL), [])
})

/** Stops a process while one of its transactions is open: so that it holds keys that another one will want. */
async function stopInTransaction(
  process: PipelineProcess,
  { DATABASE_URL }: PipelineSettings,
): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    process.signal('SIGSTOP')
    await sleep(20) // what the server was doing for it is done by then
    const open = await query<{ application_name: string }>(
      DATABASE_URL,
      `SELECT application_name FROM pg_stat_activity WHERE datname = current_database()
       AND application_name LIKE '%-lane-%' AND state <> 'idle' AND backend_xid IS NOT NULL`,
    )
    // For who builds the references of a day the others wait longer.
    if (open.length > 0 && open.every((lane) => /-lane-\d+$/.test(lane.application_name))) return
    process.signal('SIGCONT')
    await sleep(50 * Math.random())
  }
  throw new Error('the process was never caught in a transaction')
}

test('a process that is stopped in a transaction loses its partitions, and when it goes on it writes nothing late', async (t) => {
  const settings = await testSettings(t, { KAFKA_SESSION_TIMEOUT_MS: SESSION_MS, ...ALL_FEATURES })
  const ledger = new Ledger()
  const stop = new AbortController()
  const producing = produceUntil(stop.signal, settings, ledger, { backlog: BACKLOG })
  const isThere = async () => (await endOffsets(settings)).reduce((sum, end) => sum + end, 0) >= BACKLOG
  await until(isThere, { seconds: 60, what: 'the backlog' })
  const sleeper = pipelineProcess(t, settings)
  await untilProgress(settings, 'the first progress', 20)
  await stopInTransaction(sleeper, settings)
  const stopped = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
  const other = pipelineProcess(t, settings)
  const began = performance.now()
  await until(
    async () => {
      const now = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
      return now.every((p, i) => p.next_offset > stopped[i].next_offset + 20)
    },
    { seconds: 40, what: 'another process to go on with every partition' },
  )
  t.diagnostic(`another process went on after ${((performance.now() - began) / 1000).toFixed(1)} s`)
  sleeper.signal('SIGCONT')
  await sleep(1500)
  stop.abort()
  await producing
  await untilProcessed(settings)
  for (const process of [sleeper, other]) process.signal('SIGTERM')
  assert.deepEqual([await sleeper.ended(), await other.ended()], [0, 0])

  const { lost, duplicated, unexpected, stored } = await ledger.settle(settings)
  assert.ok(stored > 500, `only ${stored} rows`)
  assert.deepEqual({ lost, duplicated, unexpected }, { lost: 0, duplicated: 0, unexpected: 0 })
  const undisturbed = await anotherRun(t, settings, { BATCH_MAX_RECORDS: 10_000 })
  await runToEnd(undisturbed)
  assert.deepEqual(await differingDecisions(settings.DATABASE_URL, undisturbed.DATABASE_URL), [])
})

/** @param settings those of the database itself, to look at what it has when the connection is cut */
type Instant = (settings: PipelineSettings) => Way

const instants: Record<string, Instant> = {
  // PostgreSQL takes the rows of a message once all of it is there: here it has a part of them, and waits for the rest.
  'in the middle of a COPY': () => ({
    toServer: everyFourth((bytes) => {
      const rows = bytes.indexOf('PGCOPY')
      return rows === -1 ? 'pass' : Math.floor((rows + bytes.length) / 2)
    }),
  }),
  'before a COMMIT reaches the server': () => ({
    toServer: everyFourth((bytes) => (endsRows(bytes) ? bytes.length - COPY_DONE.length : 'pass')),
  }),
  'between a COMMIT and its answer': ({ DATABASE_URL, TRANSACTIONS_TOPIC }) => ({
    toClient: everyFourth((bytes) => (tellsOfCommit(bytes) ? 'cut' : 'pass')),
    async atCut({ asked }) {
      const reached = await positions(DATABASE_URL, TRANSACTIONS_TOPIC)
      for (const { partition, next_offset } of asked)
        assert.equal(reached[partition].next_offset, next_offset)
    },
  }),
}

/** Cuts every fourth time that it is asked for. */
function everyFourth(watch: (bytes: Buffer) => 'pass' | 'cut' | number): typeof watch {
  let times = 0
  return (bytes) => {
    const verdict = watch(bytes)
    return verdict === 'pass' || ++times % 4 !== 0 ? 'pass' : verdict
  }
}

for (const [instant, wayOf] of Object.entries(instants)) {
  test(`a database connection that is cut ${instant} costs nothing and doubles nothing`, async (t) => {
    const settings = await testSettings(t, {
      BATCH_MAX_RECORDS: '25',
      COMMIT_MAX_RECORDS: '50',
      ...ALL_FEATURES,
    })
    const sent = simulated(1000, 62)
    await sendTransactions(settings, sent)
    const proxy = await databaseProxy(t, settings.DATABASE_URL, wayOf(settings))
    await using pipeline = await runningPipeline({ ...settings, DATABASE_URL: proxy.url })
    await untilProcessed(settings, { pipeline })

    assert.ok(proxy.cuts >= 5, `${proxy.cuts} cuts`)
    const { values } = await pipeline.metrics.batches.get()
    const fenced = values.find((value) => value.labels.outcome === 'fenced')!
    assert.equal(fenced.value, 0, 'each batch knew what had become of it')
    const rows = await storedRows(settings.DATABASE_URL)
    assert.deepEqual(rows.map((row) => row.transaction_id).sort(), sent.map((tx) => tx.transaction_id).sort())
    const reached = await positions(settings.DATABASE_URL, settings.TRANSACTIONS_TOPIC)
    for (const p of reached) assert.deepEqual([p.stored, p.duplicates], [p.next_offset, 0])
    const undisturbed = await anotherRun(t, settings)
    await runToEnd(undisturbed)
    assert.deepEqual(await differingDecisions(settings.DATABASE_URL, undisturbed.DATABASE_URL), [])
  })
}
