import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { COMPATIBILITY, SchemaType } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import type { RunningPipeline } from '../../pipeline/run.ts'
import { type Label, labelSchemaText, labelType } from '../../schemas/label.ts'
import { createRegistry, labelSchemaId, subjectOf } from '../../schemas/registry.ts'
import { frame } from '../../schemas/wire.ts'
import { brokerProxy, urlProxy } from '../faults/proxy.ts'
import { query, testSettings, until } from '../harness.ts'
import { label, lastLabels, storedLabels, untilLabels } from '../support/labels.ts'
import { pipelineProcess } from '../support/pipeline-process.ts'
import { runningPipeline, untilProcessed } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import {
  endOffsets,
  type KafkaSettings,
  readTopic,
  sendLabels,
  sendMessages,
  sendTransactions,
  withAdmin,
} from '../support/topics.ts'
import { NOON, transaction } from '../support/transactions.ts'

type TestSettings = Awaited<ReturnType<typeof testSettings>>

/** A counter's value, over all of its labels or with those given. */
async function counted(
  { metrics }: RunningPipeline,
  name: 'labels' | 'labelsRepeated' | 'deadLetters',
  having: Record<string, string> = {},
): Promise<number> {
  const { values } = await metrics[name].get()
  const wanted = values.filter(({ labels }) =>
    Object.entries(having).every(([key, value]) => (labels as Record<string, unknown>)[key] === value),
  )
  return wanted.reduce((sum, { value }) => sum + value, 0)
}

/** Waits until the group has committed all that the labels topic holds now. */
async function untilCommitted(settings: TestSettings): Promise<void> {
  const topic = settings.LABELS_TOPIC
  const ends = await endOffsets(settings, topic)
  const groupId = `${settings.KAFKA_GROUP_ID}-labels`
  await until(
    () =>
      withAdmin(settings, async (admin) => {
        const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
        return ends.every((end, i) => {
          const offset = Number(partitions.find(({ partition }) => partition === i)?.offset ?? -1)
          return end === 0 || offset >= end
        })
      }),
    { seconds: 20, what: `offsets at ${ends}` },
  )
}

const encoder = async (settings: KafkaSettings) => {
  const id = await labelSchemaId(settings, settings.LABELS_TOPIC, true)
  return (value: Label) => frame(id, labelType, value)
}

test('labels are stored as they were sent, those of transactions that nobody knows too, and counted', async (t) => {
  const settings = await testSettings(t)
  await using pipeline = await runningPipeline(settings)
  const sent = [
    label({ transaction_id: 'known', timestamp: NOON + 7, known_at: NOON + 123 }),
    label({ transaction_id: 'unknown', is_fraud: false, origin: 'customer, by phone' }),
    label({ transaction_id: 'Zürich 🏔', origin: '東京' }),
  ]
  await sendTransactions(settings, [transaction({ transaction_id: 'known', timestamp: NOON + 7 })])
  await sendLabels(settings, sent)
  const stored = await untilLabels(settings.DATABASE_URL, 3)
  const byId = (a: { transaction_id: string }, b: { transaction_id: string }) =>
    a.transaction_id < b.transaction_id ? -1 : 1
  assert.deepEqual(stored.toSorted(byId), sent.toSorted(byId))
  await untilProcessed(settings, { pipeline })
  const joined = await query(
    settings.DATABASE_URL,
    'SELECT transaction_id, l.is_fraud FROM transactions JOIN last_labels l USING (transaction_id, timestamp)',
  )
  assert.deepEqual(joined, [{ transaction_id: 'known', is_fraud: true }])

  await untilCommitted(settings)
  assert.equal(await counted(pipeline, 'labels', { verdict: 'fraud' }), 2)
  assert.equal(await counted(pipeline, 'labels', { verdict: 'genuine' }), 1)
  assert.equal(await counted(pipeline, 'labelsRepeated'), 0)
  const text = await (await fetch(`${pipeline.healthUrl}/metrics`)).text()
  assert.match(text, /^weir_labels_stored_total\{verdict="fraud"\} 2$/m)
  assert.match(text, /^weir_labels_lag_records\{partition="\d"\} 0$/m)
})

test('a label that comes twice, or is read again from the topic’s beginning, changes nothing', async (t) => {
  const settings = await testSettings(t)
  const sent = Array.from({ length: 700 }, (_, i) =>
    label({ transaction_id: `t-${i}`, is_fraud: i % 3 === 0 }),
  )
  {
    await using pipeline = await runningPipeline(settings)
    await sendLabels(settings, [...sent, ...sent.slice(0, 100), ...sent.slice(0, 100)])
    await untilLabels(settings.DATABASE_URL, 700)
    await untilCommitted(settings)
    assert.equal(await counted(pipeline, 'labelsRepeated'), 200)
  }
  const before = await query(settings.DATABASE_URL, 'SELECT * FROM labels ORDER BY id')
  assert.equal(before.length, 700)
  {
    // What was committed is not read again; another group begins at the beginning.
    await using same = await runningPipeline(settings)
    await sendLabels(settings, [label({ transaction_id: 'one more' })])
    await untilLabels(settings.DATABASE_URL, 701)
    assert.equal(await counted(same, 'labelsRepeated'), 0)
  }
  const another = { ...settings, KAFKA_GROUP_ID: `${settings.KAFKA_GROUP_ID}-again` }
  await using again = await runningPipeline(another)
  await untilCommitted(another)
  await until(async () => (await counted(again, 'labelsRepeated')) === 901, { what: 'all read again' })
  assert.equal(await counted(again, 'labels'), 0)
  const after = await query(settings.DATABASE_URL, 'SELECT * FROM labels ORDER BY id')
  assert.deepEqual(after.slice(0, 700), before)
  assert.equal(after.length, 701)
})

test('of several words the one counts that became known last, in whatever order they come; all of them are kept', async (t) => {
  const settings = await testSettings(t)
  await using _pipeline = await runningPipeline(settings)
  const word = (id: string, is_fraud: boolean, after: number, origin: string) =>
    label({ transaction_id: id, is_fraud, known_at: NOON + after, origin })
  await sendLabels(settings, [
    word('changed', true, 1000, 'chargeback'),
    word('changed', false, 2000, 'chargeback'),
    word('late', false, 3000, 'customer'),
    word('late', true, 2000, 'chargeback'),
    word('same moment', true, 1000, 'chargeback'),
    word('same moment', false, 1000, 'customer'),
    // Another event time is another transaction.
    { ...word('changed', true, 3000, 'chargeback'), timestamp: NOON + 1 },
  ])
  assert.equal((await untilLabels(settings.DATABASE_URL, 7)).length, 7)
  const last = await lastLabels(settings.DATABASE_URL)
  assert.deepEqual(
    last.map(({ transaction_id, is_fraud, origin }) => [transaction_id, is_fraud, origin]),
    [
      ['changed', false, 'chargeback'],
      ['changed', true, 'chargeback'],
      ['late', false, 'customer'],
      ['same moment', false, 'customer'],
    ],
  )
})

test('a record that is no label is a dead letter INVALID_LABEL with its cause, and the others are stored', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const encode = await encoder(settings)
  const { LABELS_TOPIC } = settings
  const other = await createRegistry(settings).register(
    { type: SchemaType.AVRO, schema: JSON.stringify({ type: 'record', name: 'Other', fields: [] }) },
    { subject: subjectOf(`${LABELS_TOPIC}-other`), compatibility: COMPATIBILITY.BACKWARD },
  )
  const whole = encode(label())
  const broken: [Buffer | null, RegExp][] = [
    [null, /no value/],
    [Buffer.from('{"is_fraud":true}'), /no zero byte/],
    [whole.subarray(0, -2), /UNDECODABLE: truncated/],
    [Buffer.concat([whole, Buffer.of(1)]), /UNDECODABLE: 1 bytes too many/],
    [frame(other.id, labelType, label()), /INCOMPATIBLE_SCHEMA/],
    [encode(label({ transaction_id: '' })), /transaction_id/],
    [encode(label({ known_at: 0 })), /known_at/],
    [encode(label({ origin: 'analyst:API_KEY' })), /analyst:/],
    [encode(label({ transaction_id: 'refused' })), /no_such_id/],
  ]
  await query(
    settings.DATABASE_URL,
    `ALTER TABLE labels ADD CONSTRAINT no_such_id CHECK (transaction_id <> 'refused')`,
  )
  const good = broken.map((_, i) => label({ transaction_id: `good-${i}` }))
  const messages = broken.flatMap(([value], i) => [
    { key: 'broken', value, headers: { from: 'a test' } },
    { key: good[i].transaction_id, value: encode(good[i]) },
  ])
  await sendMessages(settings, messages, LABELS_TOPIC)
  {
    await using pipeline = await runningPipeline(settings)
    assert.deepEqual(await untilLabels(settings.DATABASE_URL, good.length), good)
    await untilCommitted(settings)
    assert.equal(await counted(pipeline, 'deadLetters', { code: 'INVALID_LABEL' }), broken.length)
    assert.equal(await counted(pipeline, 'deadLetters'), broken.length)
  }
  // A restart goes on behind them.
  await using _again = await runningPipeline(settings)
  await sendLabels(settings, [label({ transaction_id: 'after' })])
  await untilLabels(settings.DATABASE_URL, good.length + 1)

  const letters = await readTopic(settings, settings.DEAD_LETTER_TOPIC)
  assert.equal(letters.length, broken.length)
  const byOffset = letters.toSorted(
    (a, b) => Number(a.headers!['weir-offset']) - Number(b.headers!['weir-offset']),
  )
  for (const [i, { key, value, headers }] of byOffset.entries()) {
    const [sent, message] = broken[i]
    assert.deepEqual(value, sent)
    assert.equal(key?.toString(), 'broken')
    const header = (name: string) => String(headers![name])
    assert.equal(header('from'), 'a test')
    assert.equal(header('weir-topic'), LABELS_TOPIC)
    assert.equal(header('weir-offset'), String(2 * i))
    assert.equal(header('weir-code'), 'INVALID_LABEL')
    assert.match(header('weir-message'), message)
  }
})

test('labels of older and newer writers are read to the right values', async (t) => {
  const settings = await testSettings(t)
  const encode = await encoder(settings)
  const { fields, ...rest } = JSON.parse(labelSchemaText)
  const more = { name: 'case_id', type: ['null', 'string'], default: null }
  const newer = { ...rest, fields: [...fields.toReversed(), more] }
  const { id } = await createRegistry(settings).register(
    { type: SchemaType.AVRO, schema: JSON.stringify(newer) },
    { subject: subjectOf(settings.LABELS_TOPIC), compatibility: COMPATIBILITY.BACKWARD },
  )
  const type = avro.Type.forSchema(newer)
  const [a, b] = [label({ transaction_id: 'a' }), label({ transaction_id: 'b', is_fraud: false })]
  await sendMessages(
    settings,
    [
      { key: 'a', value: encode(a) },
      { key: 'b', value: frame(id, type, { ...b, case_id: 'c-1' }) },
    ],
    settings.LABELS_TOPIC,
  )
  await using _pipeline = await runningPipeline(settings)
  await untilLabels(settings.DATABASE_URL, 2)
  assert.deepEqual(await lastLabels(settings.DATABASE_URL), [a, b])
})

test('while labels cannot be stored the transactions go on, and afterwards none is missing', async (t) => {
  const settings = await testSettings(t)
  const { DATABASE_URL } = settings
  await using pipeline = await runningPipeline(settings)
  await sendLabels(settings, [label({ transaction_id: 'before' })])
  await untilLabels(DATABASE_URL, 1)
  await query(
    DATABASE_URL,
    `CREATE TRIGGER refused BEFORE INSERT ON labels FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
  )
  await sendLabels(settings, [label({ transaction_id: 'meanwhile' })])
  for (let seed = 61; seed < 64; seed++) {
    await sendTransactions(settings, simulated(300, seed))
    await untilProcessed(settings, { pipeline })
  }
  assert.equal((await fetch(`${pipeline.healthUrl}/health/ready`)).status, 200)
  const lag = async () =>
    (await pipeline.metrics.labelsLag.get()).values.reduce((sum, { value }) => sum + value, 0)
  await until(async () => (await lag()) === 1, { what: 'the lag of one label' })

  await query(DATABASE_URL, 'DROP TRIGGER refused ON labels')
  await untilLabels(DATABASE_URL, 2)
  await until(async () => (await lag()) === 0, { what: 'no lag' })
  assert.equal((await readTopic(settings, settings.DEAD_LETTER_TOPIC)).length, 0)
})

test('while the registry is away labels with a schema that is not known wait, and the transactions go on', async (t) => {
  const settings = await testSettings(t)
  const encode = await encoder(settings)
  const registry = await urlProxy(t, settings.SCHEMA_REGISTRY_URL)
  await using pipeline = await runningPipeline({ ...settings, SCHEMA_REGISTRY_URL: registry.url })
  await sendTransactions(settings, simulated(300, 65))
  await untilProcessed(settings, { pipeline })
  registry.refuse(true)
  await sendMessages(settings, [{ key: 't-1', value: encode(label()) }], settings.LABELS_TOPIC)
  await sendTransactions(settings, simulated(300, 66))
  await untilProcessed(settings, { pipeline })
  assert.deepEqual(await storedLabels(settings.DATABASE_URL), [])
  registry.refuse(false)
  await untilLabels(settings.DATABASE_URL, 1)
})

test('labels that come while Kafka is away for the pipeline are stored once it is back', async (t) => {
  const settings = await testSettings(t)
  const broker = await brokerProxy(t, settings.KAFKA_BROKERS[0])
  await using _pipeline = await runningPipeline({ ...settings, KAFKA_BROKERS: [broker.address] })
  await sendLabels(settings, [label({ transaction_id: 'before' })])
  await untilLabels(settings.DATABASE_URL, 1)
  broker.refuse(true)
  const meanwhile = Array.from({ length: 50 }, (_, i) => label({ transaction_id: `t-${i}` }))
  await sendLabels(settings, meanwhile)
  await sleep(3000)
  assert.equal((await storedLabels(settings.DATABASE_URL)).length, 1)
  broker.refuse(false)
  assert.equal((await untilLabels(settings.DATABASE_URL, 51, 60)).length, 51)
})

test('without the labels topic the transactions are processed all the same; once it is made, labels come', async (t) => {
  const settings = await testSettings(t, { CREATE_TOPICS: 'false' })
  const LABELS_TOPIC = `${settings.LABELS_TOPIC}-later`
  const later = { ...settings, LABELS_TOPIC }
  await using pipeline = await runningPipeline(later)
  await sendTransactions(settings, simulated(300, 67))
  await untilProcessed(settings, { pipeline })
  t.after(() => withAdmin(settings, (admin) => admin.deleteTopics({ topics: [LABELS_TOPIC] })))
  await withAdmin(settings, (admin) =>
    admin.createTopics({ topics: [{ topic: LABELS_TOPIC, numPartitions: 1 }], waitForLeaders: false }),
  )
  await until(() => sendLabels(later, [label()]).then(() => true), { what: 'the topic' })
  await untilLabels(settings.DATABASE_URL, 1, 30)
})

test('a process that is killed, and connections that are cut, lose no label and double none', async (t) => {
  const settings = await testSettings(t, { KAFKA_SESSION_TIMEOUT_MS: '6000' })
  const { DATABASE_URL } = settings
  const sent = Array.from({ length: 30_000 }, (_, i) => label({ transaction_id: `t-${i}` }))
  await sendLabels(settings, sent)
  const count = async () =>
    (await query<{ n: number }>(DATABASE_URL, 'SELECT count(*) AS n FROM labels'))[0].n
  const killed = pipelineProcess(t, settings)
  await until(async () => (await count()) > 0, { seconds: 30, what: 'the first labels' })
  killed.signal('SIGKILL')
  await killed.ended()
  const before = await count()
  assert.ok(before < sent.length, 'it was done before it was killed')

  const next = pipelineProcess(t, settings)
  let cuts = 0
  await until(
    async () => {
      const stored = await count()
      if (stored > before && stored < sent.length) {
        const ended = await query(
          DATABASE_URL,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE '%-lane-labels' AND state <> 'idle'`,
        )
        cuts += ended.length
      }
      return stored >= sent.length
    },
    { seconds: 60, what: 'all labels' },
  ).catch((error) => {
    throw new Error(`${error.message}; it wrote ${next.errors}`)
  })
  assert.ok(cuts > 0, 'no connection was cut')
  await untilCommitted(settings)
  const [{ n, ids }] = await query<{ n: number; ids: number }>(
    DATABASE_URL,
    'SELECT count(*) AS n, count(DISTINCT transaction_id) AS ids FROM labels',
  )
  assert.deepEqual([n, ids], [sent.length, sent.length])
  assert.deepEqual(await readTopic(settings, settings.DEAD_LETTER_TOPIC), [])
})

test('two processes share the topic; when one ends the other has all of it', async (t) => {
  const settings = await testSettings(t)
  const labels = (from: number) =>
    Array.from({ length: 200 }, (_, i) => label({ transaction_id: `t-${from + i}` }))
  await using first = await runningPipeline(settings)
  {
    await using second = await runningPipeline(settings)
    const share = async (from: number) => {
      await sendLabels(settings, labels(from))
      await untilLabels(settings.DATABASE_URL, from + 200)
      return (await counted(second, 'labels')) > 0
    }
    let from = 0
    while (!(await share(from))) from += 200
  }
  const before = (await storedLabels(settings.DATABASE_URL)).length
  await sendLabels(settings, labels(before))
  await untilLabels(settings.DATABASE_URL, before + 200)
  assert.ok((await counted(first, 'labels')) >= 200)
})

/** `npm run labels -- send …` with a file of this content, to its end. */
async function send(t: TestContext, settings: TestSettings, content: string, ...args: string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'labels.csv')
  writeFileSync(file, content)
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, LABELS_TOPIC, TRANSACTIONS_TOPIC, DEAD_LETTER_TOPIC } = settings
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'deploy/weir.ts', 'labels', 'send', '--file', file, ...args],
    {
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        KAFKA_BROKERS: KAFKA_BROKERS.join(','),
        SCHEMA_REGISTRY_URL,
        LABELS_TOPIC,
        TRANSACTIONS_TOPIC,
        DEAD_LETTER_TOPIC,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, errors }
}

test('a file of labels is sent by the command and stored by the pipeline; what makes no label is named', async (t) => {
  const settings = await testSettings(t)
  const content = `transaction_id,timestamp,is_fraud,known_at
t-1,2026-11-24T12:00:00Z,1,2026-11-24T12:00:01Z
t-2,2026-11-24T12:00:00Z,,2026-11-24T12:00:01Z
t-3,2026-11-24T12:00:00Z,0,2026-11-24T12:00:01Z
`
  const { code, out, errors } = await send(
    t,
    settings,
    content,
    '--origin',
    'chargeback',
    '--json',
    '--strict',
  )
  assert.deepEqual(JSON.parse(out), { produced: 2, bad_lines: 1 })
  assert.equal(code, 1)
  assert.match(errors, /labels\.csv: line 3: is_fraud "" is none of 0, 1, true, false/)
  await using _pipeline = await runningPipeline(settings)
  await untilLabels(settings.DATABASE_URL, 2)
  assert.deepEqual(await lastLabels(settings.DATABASE_URL), [
    label(),
    label({ transaction_id: 't-3', is_fraud: false }),
  ])
  const twice = await send(t, settings, content, '--origin', 'chargeback')
  assert.match(twice.out, /^2 labels acknowledged, 1 bad lines$/m)
  assert.equal(twice.code, 0)
  await untilCommitted(settings)
  assert.equal((await storedLabels(settings.DATABASE_URL)).length, 2)

  const timeless = content.replaceAll(/,known_at|,2026-11-24T12:00:01Z$/gm, '')
  const options = ['--origin', 'chargeback', '--known-at', '2026-11-24T12:00:01Z']
  assert.match((await send(t, settings, timeless, ...options)).out, /^2 labels acknowledged/m)
  await untilCommitted(settings)
  assert.equal((await storedLabels(settings.DATABASE_URL)).length, 2)
  const none = await send(t, settings, timeless, '--origin', 'chargeback')
  assert.equal(none.code, 1)
  assert.match(none.errors, /the header \(line 1\) lacks the columns known_at;.*--known-at/)
  const onlyBad = await send(
    t,
    settings,
    content.split('\n').toSpliced(1, 1).toSpliced(2).join('\n'),
    '--origin',
    'o',
  )
  assert.equal(onlyBad.code, 1)
  assert.match(onlyBad.out, /^0 labels acknowledged, 1 bad lines$/m)

  const nowhere = await send(t, settings, 'transaction_id\n')
  assert.equal(nowhere.code, 1)
  assert.match(
    nowhere.errors,
    /labels\.csv: the header \(line 1\) lacks the columns timestamp, is_fraud, origin/,
  )
})
