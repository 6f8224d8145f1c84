import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { channel } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Admin } from 'kafkajs'
import { take } from '../../pipeline/produce/batch.ts'
import { produce } from '../../pipeline/produce/produce.ts'
import { simulate } from '../../pipeline/produce/simulator.ts'
import { kafkaSink } from '../../pipeline/produce/sink.ts'
import { createKafka } from '../../schemas/kafka.ts'
import { createLogger } from '../../schemas/log.ts'
import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { FRAME_BYTES, MAGIC } from '../../schemas/wire.ts'
import { freshTopics, servers, testSettings, until } from '../harness.ts'

const log = createLogger('test', 'silent')
/** The producer needs no database. */
const noDatabase = { DATABASE_URL: 'postgres://none@127.0.0.1:1/none' }

interface Stored {
  partition: number
  key: string
  transaction: Transaction
}

/** All records of a topic, in the order of each partition. */
async function readTopic(t: TestContext, topic: string): Promise<Stored[]> {
  const kafka = createKafka(servers(), 'weir-test', log)
  const expected = await countOf(topic)
  const consumer = kafka.consumer({ groupId: `${topic}-reader-${Math.random()}` })
  const stored: Stored[] = []
  await consumer.connect()
  t.after(() => consumer.disconnect())
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message: { key, value } }) => {
      assert.equal(value![0], MAGIC)
      // As plain values: avsc's records have a class of their own.
      const transaction = { ...transactionType.fromBuffer(value!.subarray(FRAME_BYTES)) }
      stored.push({ partition, key: key!.toString(), transaction })
    },
  })
  await until(() => stored.length >= expected, { seconds: 30, what: `${expected} records in ${topic}` })
  return stored
}

const countOf = (topic: string): Promise<number> =>
  withAdmin(async (admin) =>
    (await admin.fetchTopicOffsets(topic)).reduce((sum, p) => sum + Number(p.high) - Number(p.low), 0),
  )

async function withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(servers(), 'weir-test', log).admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Runs `npm run produce` as it is run, against the test's topics. */
function startCommand(topics: Record<string, string>, ...args: string[]): ChildProcess {
  const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = servers()
  const program = fileURLToPath(new URL('../../deploy/weir.ts', import.meta.url))
  const env = { ...process.env, ...topics, KAFKA_BROKERS: KAFKA_BROKERS.join(','), SCHEMA_REGISTRY_URL }
  return spawn(process.execPath, ['--import', 'tsx', program, 'produce', ...args], { env })
}

async function finish(child: ChildProcess) {
  const output = { stdout: '', stderr: '' }
  child.stdout!.on('data', (text) => (output.stdout += text))
  child.stderr!.on('data', (text) => (output.stderr += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, ...output }
}

function temporaryFile(t: TestContext, name: string, content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, name), content)
  return join(directory, name)
}

describe('npm run produce -- --file', () => {
  const file = `transaction_id,account_id,timestamp,amount,currency,merchant_id,location,channel,is_fraud
t2,a1,2026-11-01 10:00:00,12.34567,SEK,m1,Malmö,ATM,1
t3,,2026-11-01 10:00:00,12.5,,,,,
t4,a1,2026-02-30 10:00:00,12.5,,,,,
t5,a1,2026-11-01 10:00:00,twelve,,,,,
t6,a1,2026-11-01 10:00:00,12.5,,,"Helsinki,,
t7,a2,2026-11-01T12:00:00.5+02:00,-0.5,,,,,
t8,a1,2026-11-01 10:00:00,12.5,,,,PIGEON,

t10,a1,2026-11-01 10:00:00,12.5,,,,,maybe
t11,a3,2026-11-01 10:00:00,0,,,"Hel
sinki",,
t13,a1,2026-11-01 10:00:00
t14,a1,2026-11-01,1e3,,,,,false
`
  const plain = {
    currency: 'EUR',
    merchant_id: null,
    merchant_category: '',
    location: '',
    channel: 'OTHER',
    is_fraud: null,
  }
  const ten = Date.UTC(2026, 10, 1, 10)
  const expected = [
    {
      transaction_id: 't2',
      account_id: 'a1',
      timestamp: ten,
      amount: 123_457,
      currency: 'SEK',
      merchant_id: 'm1',
      merchant_category: '',
      location: 'Malmö',
      channel: 'ATM',
      is_fraud: true,
    },
    { ...plain, transaction_id: 't7', account_id: 'a2', timestamp: ten + 500, amount: -5000 },
    { ...plain, transaction_id: 't11', account_id: 'a3', timestamp: ten, amount: 0, location: 'Hel\nsinki' },
    {
      ...plain,
      transaction_id: 't14',
      account_id: 'a1',
      timestamp: Date.UTC(2026, 10, 1),
      amount: 1e7,
      is_fraud: false,
    },
  ]
  const byId = (a: { transaction_id: string }, b: { transaction_id: string }) =>
    a.transaction_id.localeCompare(b.transaction_id, 'en', { numeric: true })

  test('names each bad line with its number, sends the rest as it stands and exits with 0', async (t) => {
    const topics = await freshTopics(t)
    const { code, stdout, stderr } = await finish(
      startCommand(topics, '--json', '--file', temporaryFile(t, 'x.csv', file)),
    )
    assert.equal(code, 0, stderr)
    const named = [...stderr.matchAll(/^\S+: line (\d+): (\S+)/gm)].map((match) => Number(match[1]))
    assert.deepStrictEqual(named, [3, 4, 5, 6, 8, 10, 13])
    const { seconds, records_per_second, ...counts } = JSON.parse(stdout)
    assert.deepStrictEqual(counts, { produced: 4, bad_lines: 7, rounded: 1 })
    const stored = await readTopic(t, topics.TRANSACTIONS_TOPIC)
    assert.deepStrictEqual(stored.map((s) => s.transaction).sort(byId), expected)
    assert.ok(stored.every((s) => s.key === s.transaction.account_id))
  })

  test('exits with 1 for bad lines when it is --strict, and sends the rest all the same', async (t) => {
    const topics = await freshTopics(t)
    const { code } = await finish(startCommand(topics, '--strict', '--file', temporaryFile(t, 'x.csv', file)))
    assert.equal(code, 1)
    assert.equal(await countOf(topics.TRANSACTIONS_TOPIC), 4)
  })

  test('exits with 1 and says why when a required column is missing', async (t) => {
    const topics = await freshTopics(t)
    const { code, stderr } = await finish(
      startCommand(topics, '--file', temporaryFile(t, 'x.csv', 'a,b\n1,2\n')),
    )
    assert.equal(code, 1)
    assert.match(
      stderr,
      /x\.csv: the header \(line 1\) lacks the columns transaction_id, account_id, timestamp, amount/,
    )
  })

  test('exits with 1 when the topic is missing and may not be made', async (t) => {
    const topics = { ...(await freshTopics(t)), TRANSACTIONS_TOPIC: 'test-nowhere', CREATE_TOPICS: 'false' }
    const { code, stderr } = await finish(startCommand(topics, '--generate', '5'))
    assert.equal(code, 1)
    assert.match(stderr, /the topic test-nowhere does not exist; create it, or set CREATE_TOPICS=true/)
    assert.ok(!(await withAdmin((admin) => admin.listTopics())).includes('test-nowhere'))
  })
})

test('Ctrl-C ends endless traffic with 0, and the summary counts what is in the topic', async (t) => {
  const topics = await freshTopics(t)
  const child = startCommand(topics, '--rate', '400', '--json')
  const finished = finish(child)
  await until(() => countOf(topics.TRANSACTIONS_TOPIC), { what: 'the first records' })
  // Twice at once, as a terminal and npm together do.
  child.kill('SIGINT')
  child.kill('SIGINT')
  const { code, stdout } = await finished
  assert.equal(code, 0)
  const { produced } = JSON.parse(stdout)
  assert.ok(produced > 0)
  assert.equal(await countOf(topics.TRANSACTIONS_TOPIC), produced)
})

describe('the Kafka sink', () => {
  test('stores every transaction once, under its account, each account in one partition and in order', async (t) => {
    const settings = await testSettings(t, { ...noDatabase, TOPIC_PARTITIONS: '3' })
    const sink = await kafkaSink({ settings, log })
    t.after(() => sink.close())
    const options = { seed: 1, accounts: 50 }
    const { produced } = await produce(take(simulate(options), 12_000), sink)
    assert.equal(produced, 12_000)
    const sent = Map.groupBy(firstOf(simulate(options), 12_000), (transaction) => transaction.account_id)
    const stored = Map.groupBy(await readTopic(t, settings.TRANSACTIONS_TOPIC), (s) => s.key)
    assert.equal(stored.size, sent.size)
    for (const [account, records] of stored) {
      assert.equal(new Set(records.map((s) => s.partition)).size, 1)
      assert.deepStrictEqual(
        records.map((s) => s.transaction),
        sent.get(account),
      )
    }
  })

  test('takes batches of many megabytes for one account, and the longest line that is read', async (t) => {
    const settings = await testSettings(t, noDatabase)
    const sink = await kafkaSink({ settings, log })
    t.after(() => sink.close())
    const [first] = firstOf(simulate({ seed: 1 }), 1)
    const long = { ...first, account_id: 'x'.repeat(499_000) }
    const many = Array.from({ length: 3000 }, () => ({ ...first, location: 'y'.repeat(2000) }))
    await sink.send([long, ...many])
    assert.equal(await countOf(settings.TRANSACTIONS_TOPIC), 3001)
  })

  test('neither loses nor doubles a record when its connections are cut again and again', async (t) => {
    const settings = await testSettings(t, noDatabase)
    const port = Number(settings.KAFKA_BROKERS[0].split(':')[1])
    const sockets = new Set<Socket>()
    const note = (message: unknown) => void sockets.add((message as { socket: Socket }).socket)
    channel('net.client.socket').subscribe(note)
    t.after(() => channel('net.client.socket').unsubscribe(note))
    const sink = await kafkaSink({ settings, log })
    let cuts = 0
    const timer = setInterval(() => {
      for (const socket of sockets) {
        sockets.delete(socket)
        if (socket.remotePort !== port || socket.destroyed || cuts === 10) continue
        // As if the other side had reset it: kafkajs does not hear of a socket that is just destroyed.
        socket.destroy(new Error('cut by the test'))
        cuts++
      }
    }, 100)
    try {
      const { produced } = await produce(take(simulate({ seed: 1, accounts: 50 }), 100_000), sink)
      assert.equal(produced, 100_000)
    } finally {
      clearInterval(timer)
      await sink.close()
    }
    assert.ok(cuts >= 3, `${cuts} connections were cut`)
    const stored = await readTopic(t, settings.TRANSACTIONS_TOPIC)
    assert.equal(stored.length, 100_000)
    assert.equal(new Set(stored.map((s) => s.transaction.transaction_id)).size, 100_000)
    for (const records of Map.groupBy(stored, (s) => s.key).values()) {
      const ids = records.map((s) => s.transaction.transaction_id)
      assert.deepStrictEqual(ids, ids.toSorted())
    }
  })

  test('says what cannot be reached', async (t) => {
    const settings = await testSettings(t, { ...noDatabase, SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' })
    await assert.rejects(
      kafkaSink({ settings, log }),
      /no schema for the topic test-\w+ from SCHEMA_REGISTRY_URL http:\/\/127\.0\.0\.1:1/,
    )
  })
})

function firstOf(transactions: Iterator<Transaction>, count: number): Transaction[] {
  return Array.from({ length: count }, () => transactions.next().value)
}
