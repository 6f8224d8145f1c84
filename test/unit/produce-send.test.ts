import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { BadLines } from '../../pipeline/produce/bad-lines.ts'
import { type Batch, take } from '../../pipeline/produce/batch.ts'
import { conflictOf } from '../../pipeline/produce/options.ts'
import { paced } from '../../pipeline/produce/paced.ts'
import { type Progress, produce } from '../../pipeline/produce/produce.ts'
import { readFile } from '../../pipeline/produce/read-file.ts'
import { simulate } from '../../pipeline/produce/simulator.ts'
import type { TransactionSink } from '../../pipeline/produce/sink.ts'
import type { Transaction } from '../../schemas/transaction.ts'

/** A sink that acknowledges when it is told to, or at once. */
function fakeSink({ byHand = false, failAt = Number.POSITIVE_INFINITY } = {}) {
  const stored: string[] = []
  const waiting: (() => void)[] = []
  let sends = 0
  const sink: TransactionSink = {
    async send(transactions: Transaction[]) {
      if (++sends >= failAt) throw new Error('the sink is full')
      if (byHand) await new Promise<void>((resolve) => waiting.push(resolve))
      stored.push(...transactions.map((t) => t.transaction_id))
    },
    async close() {},
  }
  return { sink, stored, waiting, sends: () => sends }
}

/** Batches of one transaction each, and how many were taken. */
function source(count: number) {
  const transactions = simulate({ seed: 1 })
  const state = { taken: 0 }
  async function* batches(): AsyncGenerator<Batch> {
    for (; state.taken < count; state.taken++) {
      yield { transactions: [transactions.next().value], bad: [], rounded: 0 }
    }
  }
  return { batches: batches(), state }
}

async function collect(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const all: Batch[] = []
  for await (const batch of batches) all.push(batch)
  return all
}

describe('produce', () => {
  test('sends all batches in order and counts what was acknowledged', async () => {
    const { sink, stored } = fakeSink()
    const result = await produce(take(simulate({ seed: 1 }), 12_345), sink)
    assert.equal(result.produced, 12_345)
    assert.deepStrictEqual(stored, [...stored].sort())
    assert.equal(new Set(stored).size, 12_345)
  })

  test('passes bad lines on and counts them and the rounded amounts', async () => {
    async function* batches(): AsyncGenerator<Batch> {
      yield { transactions: [], bad: [{ line: 2, reason: 'r' }], rounded: 0 }
      yield {
        transactions: [simulate({ seed: 1 }).next().value],
        bad: [{ line: 9, reason: 's' }],
        rounded: 1,
      }
    }
    const lines: number[] = []
    const { seconds, ...counts } = await produce(batches(), fakeSink().sink, {
      onBad: (bad) => lines.push(bad.line),
    })
    assert.deepStrictEqual([counts, lines], [{ produced: 1, bad_lines: 2, rounded: 1 }, [2, 9]])
  })

  test('takes no more from the source while three batches are not acknowledged', async () => {
    const { sink, waiting, sends } = fakeSink({ byHand: true })
    const { batches, state } = source(10)
    const done = produce(batches, sink)
    await sleep(20)
    assert.equal(sends(), 3)
    assert.equal(state.taken, 2)
    for (let i = 0; i < 10; i++) {
      waiting.shift()?.()
      await sleep(1)
    }
    assert.equal((await done).produced, 10)
  })

  test('ends at the first failure and has told what was acknowledged', async () => {
    const { sink } = fakeSink({ failAt: 3 })
    const { batches, state } = source(100)
    let last: Progress | undefined
    await assert.rejects(
      produce(batches, sink, { onProgress: (progress) => (last = progress) }),
      /the sink is full/,
    )
    assert.equal(last?.produced, 2)
    assert.ok(state.taken < 10, `${state.taken} batches were taken`)
  })

  test('that is aborted waits for what was sent and counts it', async () => {
    const { sink, waiting } = fakeSink({ byHand: true })
    const controller = new AbortController()
    const done = produce(source(100).batches, sink, { signal: controller.signal })
    await sleep(10)
    controller.abort()
    const late = await Promise.race([done, sleep(20, 'waits')])
    assert.equal(late, 'waits')
    for (const acknowledge of waiting.splice(0)) acknowledge()
    assert.equal((await done).produced, 3)
  })

  test('fails with what the source throws, after the acknowledgements', async () => {
    async function* batches(): AsyncGenerator<Batch> {
      yield* source(2).batches
      throw new Error('the file is damaged')
    }
    const { sink, stored } = fakeSink()
    await assert.rejects(produce(batches(), sink), /the file is damaged/)
    assert.equal(stored.length, 2)
  })
})

describe('paced traffic', () => {
  test('comes at its rate, exactly rate x seconds transactions', async () => {
    const started = performance.now()
    let count = 0
    for await (const batch of paced(simulate({ seed: 1, rate: 2000 }), { rate: 2000, seconds: 0.5 })) {
      count += batch.transactions.length
      const due = ((performance.now() - started) / 1000) * 2000
      assert.ok(count <= due + 1, `${count} came when ${due} were due`)
    }
    assert.equal(count, 1000)
    assert.ok(performance.now() - started >= 490)
  })

  test('makes up for what a slow sink delayed', async () => {
    let count = 0
    let late = false
    for await (const batch of paced(simulate({ seed: 1, rate: 1000 }), { rate: 1000, seconds: 0.5 })) {
      count += batch.transactions.length
      if (!late) await sleep(300)
      late = true
    }
    assert.equal(count, 500)
  })

  test('without an end is ended by its signal', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 60)
    let count = 0
    for await (const batch of paced(simulate({ seed: 1, rate: 100 }), {
      rate: 100,
      signal: controller.signal,
    })) {
      count += batch.transactions.length
    }
    assert.ok(count <= 10)
  })
})

describe('a file', () => {
  const csv = 'transaction_id,account_id,timestamp,amount\nt,a,2026-01-01,1\n'
  const ndjson = '{"transaction_id":"t","account_id":"a","timestamp":"2026-01-01","amount":1}\n'
  const files: [name: string, content: string | Buffer][] = [
    ['x.csv', csv],
    ['x.csv.gz', gzipSync(csv)],
    ['x.CSV', csv],
    ['x.ndjson', ndjson],
    ['x.jsonl.gz', gzipSync(ndjson)],
    ['csv-without-a-name', csv],
    ['json-without-a-name', ndjson],
    ['gzip-without-a-name', gzipSync(ndjson)],
    ['two-members.csv.gz', Buffer.concat([gzipSync(csv.slice(0, 30)), gzipSync(csv.slice(30))])],
  ]
  const open = async (t: { after(fn: () => void): void }, name: string, content: string | Buffer) => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-test-'))
    t.after(() => rmSync(directory, { recursive: true }))
    writeFileSync(join(directory, name), content)
    return readFile(join(directory, name), { warn: () => {} })
  }
  for (const [name, content] of files) {
    test(`is read by what it is: ${name}`, async (t) => {
      const file = await open(t, name, content)
      const batches = await collect(file.batches)
      assert.deepStrictEqual(
        batches.flatMap((batch) => batch.transactions.map((transaction) => transaction.transaction_id)),
        ['t'],
      )
      assert.equal(file.fraction(), 1)
    })
  }

  test('of NDJSON whose first line is bad is still NDJSON', async (t) => {
    const file = await open(t, 'x.ndjson', `garbage\n${ndjson}`)
    const batches = await collect(file.batches)
    assert.deepStrictEqual(
      batches.flatMap((batch) => batch.bad.map((bad) => bad.line)),
      [1],
    )
  })

  test('that is not there is an error with its name', async () => {
    await assert.rejects(
      readFile('/no/such/file.csv', { warn: () => {} }),
      /cannot read \/no\/such\/file.csv/,
    )
  })

  for (const name of ['x.json', 'x.json.gz', 'without-a-name']) {
    test(`that is one JSON array is refused with what to do: ${name}`, async (t) => {
      const array = `\n [${ndjson}]`
      const content = name.endsWith('.gz') ? gzipSync(array) : array
      await assert.rejects(open(t, name, content), /cannot read .*: it holds a JSON array; .*jq -c '\.\[\]'/)
    })
  }

  test('that is cut off within its gzip gives what it holds, then an error', async (t) => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `t${i},a,2026-01-01,${i}.${i % 97}\n`)
    const whole = gzipSync(`transaction_id,account_id,timestamp,amount\n${lines.join('')}`)
    const file = await open(t, 'x.csv.gz', whole.subarray(0, whole.length >> 1))
    const { sink, stored } = fakeSink()
    await assert.rejects(produce(file.batches, sink), /cannot read .*x.csv.gz: unexpected end of file/)
    assert.ok(stored.length > 10_000 && stored.length < 50_000, `${stored.length} were sent`)
  })
})

test('twenty bad lines are named, and then how many more there are', () => {
  const notes: string[] = []
  const badLines = new BadLines('x.csv', (text) => notes.push(text))
  for (let line = 2; line < 22; line++) badLines.tell({ line, reason: 'none' })
  badLines.tellRest()
  assert.equal(notes.length, 20)
  assert.equal(notes[0], 'x.csv: line 2: none')
  badLines.tell({ line: 22, reason: 'none' })
  badLines.tell({ line: 23, reason: 'none' })
  badLines.tellRest()
  assert.deepEqual(notes.slice(20), ['... and 2 more bad lines'])
})

describe('options', () => {
  const conflicts: [options: Parameters<typeof conflictOf>[0], message: RegExp][] = [
    [{}, /say what to send/],
    [{ file: 'x', generate: 5 }, /--file and --generate exclude each other/],
    [{ generate: 5, rate: 5 }, /--generate and --rate exclude each other/],
    [{ generate: 5, seconds: 5 }, /--seconds goes with --rate only/],
    [{ file: 'x', seed: 5 }, /--seed goes with --generate and --rate only/],
  ]
  for (const [options, message] of conflicts) {
    test(`${JSON.stringify(options)} are refused`, () => assert.match(conflictOf(options)!, message))
  }

  for (const options of [
    { file: 'x', strict: true },
    { generate: 5, seed: 0 },
    { rate: 5, seconds: 5 },
    { rate: 5 },
  ]) {
    test(`${JSON.stringify(options)} are taken`, () =>
      assert.equal(conflictOf(options as Parameters<typeof conflictOf>[0]), undefined))
  }
})
