import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import kafkajs, { type Batch, type Consumer, type Kafka, type Message } from 'kafkajs'
import {
  currentRanges,
  type Ranges,
  readTopic as readRanges,
} from '../../pipeline/dead-letters/read-topic.ts'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { shape } from '../../schemas/settings.ts'
import { formatAmount, type Transaction } from '../../schemas/transaction.ts'
import { query, testSettings, until } from '../harness.ts'
import { runToEnd } from '../support/pipelines.ts'
import { simulated } from '../support/simulated.ts'
import { positions, storedRows } from '../support/tables.ts'
import {
  encoder,
  type KafkaSettings,
  quiet,
  readTopic,
  sendMessages,
  sendTransactions,
  takeAnything,
  withAdmin,
} from '../support/topics.ts'
import { transaction } from '../support/transactions.ts'

type Settings = PipelineSettings & KafkaSettings

interface Ended {
  code: number | null
  out: string
  /** stdout's lines, each parsed. */
  readonly json: Record<string, unknown>[]
  errors: string
}

function started(t: TestContext, settings: Partial<Settings>, args: string[]): ChildProcess {
  const given = Object.entries(settings).filter(([name, value]) => name in shape && value !== undefined)
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    ...Object.fromEntries(given),
    LOG_LEVEL: 'info',
  }
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'dead-letters', ...args], {
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])),
    stdio: ['ignore', 'pipe', 'pipe'],
  }) as ChildProcess
  t.after(() => child.kill('SIGKILL'))
  return child
}

async function ended(child: ChildProcess): Promise<Ended> {
  const [out, errors] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
  const json = () =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  return {
    code: child.exitCode,
    out,
    errors,
    get json() {
      return json()
    },
  }
}

/** `npm run dead-letters -- …` as a process of its own, to its end. */
const deadLetters = (t: TestContext, settings: Partial<Settings>, ...args: string[]): Promise<Ended> =>
  ended(started(t, settings, args))

/** The same where it must succeed. */
async function succeeded(t: TestContext, settings: Partial<Settings>, ...args: string[]): Promise<Ended> {
  const result = await deadLetters(t, settings, ...args)
  assert.equal(result.code, 0, result.errors)
  return result
}

const refuseCasinos = (settings: Settings) =>
  query(
    settings.DATABASE_URL,
    `ALTER TABLE transactions ADD CONSTRAINT no_casino CHECK (merchant_category <> 'Casino')`,
  )

/** Good transactions, and bad ones of four codes: offsets 10, 30, 50, 70. */
async function someBad(settings: Settings): Promise<Transaction[]> {
  await refuseCasinos(settings)
  const encode = await encoder(settings)
  const good = simulated(100, 41)
  const casino = transaction({ transaction_id: 'casino', merchant_category: 'Casino' })
  const unknown = encode(transaction({ transaction_id: 'unknown' }))
  unknown.value.writeUInt32BE(2 ** 31 - 5, 1)
  const messages: Message[] = good.map(encode)
  messages.splice(10, 0, { ...encode(casino), headers: { trace: 'trace-1' } })
  messages.splice(30, 0, {
    ...encode(transaction({ transaction_id: 'negative', amount: -10_000 })),
    key: 'a\x1b[2J',
  })
  messages.splice(50, 0, unknown)
  messages.splice(70, 0, { key: Buffer.from('k\x1b[2J\xff', 'latin1'), value: 'no frame' })
  await sendMessages(settings, messages)
  await runToEnd(settings)
  return good
}

test('list, show and stats tell what was rejected, when and why, and leave nothing behind', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const topic = settings.TRANSACTIONS_TOPIC
  const { DATABASE_URL: _, ...withoutDatabase } = settings
  const empty = await succeeded(t, withoutDatabase, 'list')
  assert.deepEqual([empty.out, empty.errors], ['', '0 dead letters\n'])
  const before = Date.now()
  await someBad(settings)
  const after = Date.now() + 1

  const { json } = await succeeded(t, settings, 'list', '--json')
  assert.deepEqual(json.map(({ origin, code }) => `${origin} ${code}`).sort(), [
    `${topic}/0/10 CONSTRAINT`,
    `${topic}/0/30 INVALID_AMOUNT`,
    `${topic}/0/50 UNKNOWN_SCHEMA`,
    `${topic}/0/70 NOT_FRAMED`,
  ])
  const casino = json.find(({ code }) => code === 'CONSTRAINT')!
  assert.match(String(casino.message), /no_casino/)
  const { message: _message, rejected_at, first_rejected_at, sent_at, ...rest } = casino
  assert.deepEqual(rest, {
    origin: `${topic}/0/10`,
    code: 'CONSTRAINT',
    key: 'a-1',
    returned: 0,
    replays: 0,
    replayed_at: null,
  })
  assert.equal(rejected_at, first_rejected_at)
  assert.ok(Date.parse(String(sent_at)) >= before && Date.parse(String(rejected_at)) < after)

  const originsOf = async (...args: string[]) =>
    (await succeeded(t, withoutDatabase, 'list', '--json', ...args)).out.match(/"origin":"[^"]*"/g)?.length ??
    0
  assert.equal(await originsOf('--code', 'CONSTRAINT', '--code', 'not_framed'), 2)
  assert.equal(await originsOf('--since', new Date(before).toISOString(), '--until', '1s'), 4)
  assert.equal(await originsOf('--since', new Date(after).toISOString()), 0)
  assert.equal(await originsOf('--limit', '3'), 3)

  const listed = await succeeded(t, withoutDatabase, 'list')
  assert.match(listed.out, /^REJECTED AT +CODE +ORIGIN +KEY +REPLAYS +MESSAGE\n/)
  assert.match(listed.out, new RegExp(` CONSTRAINT +${topic}/0/10 +a-1 +\\? +.*no_casino`))
  assert.match(listed.out, / NOT_FRAMED .* 0x6b1b5b324aff /, 'a key that is no text')
  assert.match(listed.out, / a\\u001b\[2J /, 'a key that would clear the screen')
  assert.ok(!listed.out.includes('\x1b'))
  assert.equal(listed.errors, '4 dead letters\n')

  const [stats] = (await succeeded(t, settings, 'stats', '--json')).json as unknown as {
    dead_letters: number
    by_code: object[]
    by_hour: { count: number }[]
  }[]
  assert.equal(stats.dead_letters, 4)
  assert.deepEqual(stats.by_code, [
    { code: 'CONSTRAINT', count: 1, returned: 0 },
    { code: 'INVALID_AMOUNT', count: 1, returned: 0 },
    { code: 'NOT_FRAMED', count: 1, returned: 0 },
    { code: 'UNKNOWN_SCHEMA', count: 1, returned: 0 },
  ])
  assert.equal(
    stats.by_hour.reduce((sum, hour) => sum + hour.count, 0),
    4,
  )
  assert.match((await succeeded(t, settings, 'stats')).out, /^4 dead letters,[\s\S]*CONSTRAINT +1 +0/)

  const [shown] = (await succeeded(t, settings, 'show', `${topic}/0/10`, '--json')).json
  const original = (await readTopic(settings, topic))[10]
  assert.equal(shown.value_base64, original.value!.toString('base64'))
  assert.equal((shown.headers as Record<string, string>).trace, 'trace-1')
  assert.match(String(shown.remedy), /constraint/)
  const { transaction_id, amount } = shown.transaction as Record<string, string>
  assert.deepEqual([transaction_id, amount], ['casino', formatAmount(25_0000)])
  assert.match(String(shown.transaction_note), /read by schema \d+/)
  const unknown = (await succeeded(t, settings, 'show', `${topic}/0/50`)).out
  assert.match(unknown, /remedy +Register the schema/)
  assert.match(unknown, /read by Weir's own schema; the registry does not give schema 2147483643/)
  assert.match(unknown, /transaction_id +"unknown"/)
  const notFramed = (await succeeded(t, settings, 'show', `${topic}/0/70`, '--bytes', '4')).out
  assert.match(notFramed, /000000 {2}6e 6f 20 66 +no f\n +… 4 bytes more/)
  assert.ok(!notFramed.includes('\x1b'))

  const missing = await deadLetters(t, settings, 'show', `${topic}/0/11`)
  assert.equal(missing.code, 1)
  assert.match(missing.errors, /^error: there is no dead letter of .*\/0\/11; /m)
  const groups = await withAdmin(settings, (admin) => admin.listGroups())
  assert.deepEqual(
    groups.groups
      .map((group) => group.groupId)
      .filter((id) => id.includes(`${settings.KAFKA_GROUP_ID}-dead-letters`)),
    [],
  )
})

test('a replayed record is stored once when its cause is cured, left out the second time, a duplicate with --again', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const { DATABASE_URL, TRANSACTIONS_TOPIC: topic } = settings
  const good = await someBad(settings)
  const counts = async () => {
    const [{ stored, duplicates, dead_letters }] = await positions(DATABASE_URL, topic)
    return { stored, duplicates, dead_letters }
  }
  assert.deepEqual(await counts(), { stored: 100, duplicates: 0, dead_letters: 4 })
  await query(DATABASE_URL, 'ALTER TABLE transactions DROP CONSTRAINT no_casino')

  const refused = await deadLetters(t, settings, 'replay')
  assert.equal(refused.code, 1)
  assert.match(refused.errors, /nothing was sent: there is no terminal to ask on; say --yes/)
  const dry = await succeeded(t, settings, 'replay', '--code', 'CONSTRAINT', '--dry-run')
  assert.equal(dry.out, `${topic}/0/10  CONSTRAINT\n`)
  assert.equal((await readTopic(settings, topic)).length, 104, 'nothing was sent')

  const first = await succeeded(t, settings, 'replay', '--code', 'CONSTRAINT', '--yes')
  assert.match(first.out, /^1 dead letter replayed$/m)
  const records = await readTopic(settings, topic)
  const [{ key, value }, sent] = [records[10], records[104]]
  assert.deepEqual([sent.key, sent.value], [key, value])
  assert.deepEqual(
    Object.entries(sent.headers!).map(([name, text]) => `${name}: ${text}`),
    ['trace: trace-1', `weir-replay-of: ${topic}/0/10`],
  )
  await runToEnd(settings)
  assert.deepEqual(await counts(), { stored: 101, duplicates: 0, dead_letters: 4 })
  const rows = await storedRows(DATABASE_URL)
  assert.deepEqual(
    rows.map((row) => row.transaction_id).sort(),
    [...good.map((tx) => tx.transaction_id), 'casino'].sort(),
  )

  const second = await succeeded(t, settings, 'replay', `${topic}/0/10`, '--yes')
  assert.equal(second.out, 'nothing to replay\n')
  assert.match(second.errors, /left out: 1 that were replayed before \(--again sends them again\)/)
  assert.equal((await readTopic(settings, topic)).length, 105)

  await succeeded(t, settings, 'replay', `${topic}/0/10`, '--again', '--yes')
  await runToEnd(settings)
  assert.deepEqual(await counts(), { stored: 101, duplicates: 1, dead_letters: 4 })
  const [listed] = (await succeeded(t, settings, 'list', '--code', 'CONSTRAINT', '--json')).json
  assert.deepEqual([listed.replays, listed.returned], [2, 0])
})

test('a record that is still bad comes back under its first origin, and the next replay sends it from there', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const { DATABASE_URL, TRANSACTIONS_TOPIC: topic } = settings
  await refuseCasinos(settings)
  const twice = transaction({ transaction_id: 'twice', merchant_category: 'Casino' })
  await sendTransactions(settings, [transaction({ transaction_id: 'negative', amount: -1 }), twice])
  await runToEnd(settings)
  await succeeded(t, settings, 'replay', '--yes')
  // Meanwhile it is bad for another reason, too: what it would be now counts.
  await query(DATABASE_URL, 'ALTER TABLE transactions DROP CONSTRAINT no_casino')
  await query(
    DATABASE_URL,
    `ALTER TABLE transactions ADD CONSTRAINT not_twice CHECK (transaction_id <> 'twice')`,
  )
  await runToEnd(settings)
  assert.equal((await readTopic(settings, settings.DEAD_LETTER_TOPIC)).length, 4)

  const entries = (await succeeded(t, settings, 'list', '--json')).json
  assert.deepEqual(entries.map((e) => [e.origin, e.code, e.returned, e.replays]).sort(), [
    [`${topic}/0/0`, 'INVALID_AMOUNT', 1, 1],
    [`${topic}/0/1`, 'CONSTRAINT', 1, 1],
  ])
  assert.match(String(entries.find((e) => e.code === 'CONSTRAINT')!.message), /not_twice/)
  const [stats] = (await succeeded(t, settings, 'stats', '--json')).json
  assert.deepEqual([stats.dead_letters, stats.returned], [2, 2])
  const left = await succeeded(t, settings, 'replay', '--yes')
  assert.match(left.errors, /left out: 2 that were replayed before, of which 2 came back/)

  await query(DATABASE_URL, 'ALTER TABLE transactions DROP CONSTRAINT not_twice')
  // By the origin of the replay, as a log may name it.
  await succeeded(t, settings, 'replay', `${topic}/0/3`, '--again', '--yes')
  const last = (await readTopic(settings, topic)).at(-1)!
  assert.equal(String(last.headers!['weir-replay-of']), `${topic}/0/1`)
  await runToEnd(settings)
  assert.deepEqual(
    (await storedRows(DATABASE_URL)).map((row) => [row.transaction_id, row.kafka_offset]),
    [['twice', 4]],
  )
})

test('many dead letters in several partitions are all replayed, in requests that the topic takes, and once', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3' })
  const { DATABASE_URL, TRANSACTIONS_TOPIC: topic } = settings
  await query(DATABASE_URL, 'ALTER TABLE transactions ADD CONSTRAINT none CHECK (false) NOT VALID')
  const sent = [
    ...simulated(1200, 43),
    ...Array.from({ length: 4 }, (_, i) =>
      transaction({ account_id: `big-${i}`, location: 'L'.repeat(600_000) }),
    ),
  ]
  await sendTransactions(settings, sent)
  await runToEnd(settings, 120)
  await query(DATABASE_URL, 'ALTER TABLE transactions DROP CONSTRAINT none')

  const first = await succeeded(t, settings, 'replay', '--yes')
  assert.match(first.out, /^1,204 dead letters replayed$/m)
  await runToEnd(settings)
  const rows = await storedRows(DATABASE_URL)
  assert.deepEqual(rows.map((row) => row.transaction_id).sort(), sent.map((tx) => tx.transaction_id).sort())
  const replayed = (await readTopic(settings, topic)).filter((record) => record.headers?.['weir-replay-of'])
  // Each account's records are where they were, in their order.
  for (const { partition, headers } of replayed)
    assert.equal(String(headers!['weir-replay-of']).split('/')[1], String(partition))
  const order = replayed.map(({ headers }) => String(headers!['weir-replay-of']).split('/').map(Number))
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a[1] - b[1] || a[2] - b[2]),
  )
})

/** Delivers the first record of each batch, and then the whole batch: as after a rebalance in its middle. */
const stutteringKafka = (kafka: Kafka) =>
  ({
    consumer(config) {
      const consumer = kafka.consumer(config)
      const run: Consumer['run'] = ({ eachBatch, ...rest } = {}) =>
        consumer.run({
          ...rest,
          async eachBatch(payload) {
            const { batch } = payload
            const messages = batch.messages.slice(0, 1)
            const first = { ...batch, messages, lastOffset: () => messages[0].offset } as unknown as Batch
            await eachBatch!({ ...payload, batch: first })
            await eachBatch!(payload)
          },
        })
      return { ...consumer, run }
    },
  }) as Kafka

test('reading ends where the topic ended, though records were deleted meanwhile or are of an aborted send', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '3' })
  const topic = settings.TRANSACTIONS_TOPIC
  const kafka = createKafka(settings, 'weir-test', quiet)
  const producer = kafka.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true })
  await producer.connect()
  t.after(() => producer.disconnect())
  const send = async (partition: number, values: string[], how: 'commit' | 'abort') => {
    const sending = await producer.transaction()
    await sending.send({ topic, messages: values.map((value) => ({ value, partition })) })
    await sending[how]()
  }
  await withAdmin(settings, async (admin) => {
    const { signal } = new AbortController()
    const read = { kafka, admin, log: quiet, topic, groupPrefix: settings.KAFKA_GROUP_ID, signal }
    const valuesOf = async (ranges: Ranges, from: Kafka = kafka) => {
      const values: string[] = []
      await readRanges(
        { ...read, kafka: from },
        ranges,
        (_, message) => void values.push(String(message.value)),
      )
      return values.sort()
    }
    await send(0, ['a', 'b'], 'commit')
    await send(0, ['aborted'], 'abort')
    await send(1, ['c', 'd'], 'commit')
    await send(2, ['all of the partition aborted'], 'abort')
    const ranges = await currentRanges(read)
    // Not for this reader: it came later.
    await send(0, ['later'], 'commit')
    assert.deepEqual(await valuesOf(ranges), ['a', 'b', 'c', 'd'])
    assert.deepEqual(await valuesOf(new Map([[0, { from: 1, to: 2 }]])), ['b'])

    const delivered = await valuesOf(ranges, stutteringKafka(kafka))
    assert.deepEqual(delivered, ['a', 'b', 'c', 'd'], 'each once, though kafkajs began again')

    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '-1' }] })
    assert.deepEqual(await valuesOf(ranges), ['a', 'b'])
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 1000)
    await assert.rejects(
      readRanges({ ...read, signal: controller.signal }, new Map([[0, { from: 0, to: 1000 }]]), () => {}),
      { name: 'AbortError' },
    )
    await assert.rejects(
      readRanges(read, ranges, () => {
        throw new Error('what the reader throws')
      }),
      /what the reader throws/,
    )
    const { groups } = await admin.listGroups()
    assert.deepEqual(
      groups.filter(({ groupId }) => groupId.startsWith(settings.KAFKA_GROUP_ID)),
      [],
    )
  })
})

test('what came from another topic is not replayed, and a topic that is not there is named', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await sendTransactions(settings, [transaction({ amount: -1 })])
  await runToEnd(settings)
  const other = await testSettings(t, { DATABASE_URL: settings.DATABASE_URL })
  const shared = { ...settings, TRANSACTIONS_TOPIC: other.TRANSACTIONS_TOPIC }
  const result = await succeeded(t, shared, 'replay', '--yes')
  assert.equal(result.out, 'nothing to replay\n')
  assert.match(result.errors, /left out: 1 that came from another topic/)

  const missing = await deadLetters(t, { ...settings, DEAD_LETTER_TOPIC: 'no-such-topic' }, 'stats')
  assert.equal(missing.code, 1)
  assert.match(missing.errors, /error: the topic no-such-topic does not exist .*DEAD_LETTER_TOPIC/)
  const unset = await deadLetters(t, {}, 'replay')
  assert.equal(unset.code, 2)
  assert.match(unset.errors, /KAFKA_BROKERS: not set[\s\S]*DATABASE_URL: not set/)
})

test('a record that the topic takes no longer is named, and the others are sent', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  const topic = settings.TRANSACTIONS_TOPIC
  await takeAnything(settings)
  const sizes = [10, 3_000_000, 10]
  const messages = sizes.map((size) => ({ key: 'a', value: Buffer.alloc(size, 1) }))
  await sendMessages(settings, messages)
  await runToEnd(settings)
  await withAdmin(settings, (admin) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: [{ name: 'max.message.bytes', value: '1000000' }],
        },
      ],
    }),
  )
  const result = await deadLetters(t, settings, 'replay', '--yes')
  assert.equal(result.code, 1)
  assert.match(result.out, /^2 dead letters replayed; 1 not sent$/m)
  assert.match(result.errors, new RegExp(`${topic}/0/1 was not sent: larger than max.message.bytes`))
  const replayed = (await readTopic(settings, topic)).slice(3)
  assert.deepEqual(
    replayed.map((record) => [record.value!.length, String(record.headers!['weir-replay-of'])]),
    [
      [10, `${topic}/0/0`],
      [10, `${topic}/0/2`],
    ],
  )
})

test('two replays at the same time: one is refused; Ctrl-C ends one in good order', async (t) => {
  const settings = await testSettings(t, { TOPIC_PARTITIONS: '1' })
  await sendTransactions(settings, [transaction({ amount: -1 })])
  await runToEnd(settings)
  const locked = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  // A lock on the table holds the first one back.
  const blocker = query(settings.DATABASE_URL, 'BEGIN; LOCK dead_letter_replays; SELECT pg_sleep(4); COMMIT')
  const first = started(t, settings, ['replay', '--yes'])
  const end = ended(first)
  await until(() => query(settings.DATABASE_URL, locked).then((rows) => rows.length > 0), {
    what: 'the lock',
  })
  const second = await deadLetters(t, settings, 'replay', '--yes')
  assert.equal(second.code, 1)
  assert.match(second.errors, /another replay is under way/)
  first.kill('SIGINT')
  await blocker
  const { code, out } = await end
  assert.equal(code, 130)
  assert.doesNotMatch(out, /1 dead letter replayed/)
  assert.equal((await readTopic(settings, settings.TRANSACTIONS_TOPIC)).length, 1)
  // Nothing is held: the next one works.
  assert.match((await succeeded(t, settings, 'replay', '--yes')).out, /^1 dead letter replayed$/m)
})
