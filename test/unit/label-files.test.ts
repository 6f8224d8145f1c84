import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Defaults, labelLines } from '../../pipeline/labels/parse-label.ts'
import type { BadLine } from '../../pipeline/produce/batch.ts'
import { parseCsv } from '../../pipeline/produce/parse-csv.ts'
import { parseNdjson } from '../../pipeline/produce/parse-ndjson.ts'
import type { Label } from '../../schemas/label.ts'

/** What a file's text is read as, cut into chunks at any place. */
async function read(text: string | Buffer, isNdjson = false, defaults: Defaults = {}) {
  const bytes = Buffer.from(text)
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
  }
  const result = { labels: [] as Label[], bad: [] as BadLine[], warnings: [] as string[] }
  const warn = (message: string) => void result.warnings.push(message)
  const parse = isNdjson ? parseNdjson : parseCsv
  for await (const { items, bad } of parse(chunks(), labelLines(defaults), warn)) {
    result.labels.push(...items)
    result.bad.push(...bad)
  }
  return result
}

const HEADER = 'transaction_id,timestamp,is_fraud,origin,known_at\n'
const LABEL: Label = {
  transaction_id: 't-1',
  timestamp: Date.UTC(2026, 0, 31, 12),
  is_fraud: true,
  origin: 'chargeback',
  known_at: Date.UTC(2026, 1, 3, 9, 30),
}

test('a CSV is read in any order of its columns, quoted or not, without what is not known', async () => {
  const text = `\ufeffknown_at, origin ,x,transaction_id,is_fraud,timestamp\r
2026-02-03 09:30:00,chargeback,1,t-1,1,2026-01-31T12:00:00Z\r

"2026-02-03T10:30:00+01:00","customer, by ""phone""",,t-2,FALSE,2026-01-31T12:00:00.007Z`
  const { labels, bad, warnings } = await read(text)
  assert.deepEqual(labels, [
    LABEL,
    {
      transaction_id: 't-2',
      timestamp: LABEL.timestamp + 7,
      is_fraud: false,
      origin: 'customer, by "phone"',
      known_at: LABEL.known_at,
    },
  ])
  assert.deepEqual(bad, [])
  assert.deepEqual(warnings, ['columns ignored: x'])
})

test('origin and known_at are those of the options where the file does not tell', async () => {
  const defaults = { origin: 'given', known_at: LABEL.known_at }
  const text = `${HEADER}t,2026-01-31,1,,\nt,2026-01-31,0,own,2026-02-01\n`
  const { labels } = await read(text, false, defaults)
  assert.deepEqual(
    labels.map(({ origin, known_at }) => [origin, known_at]),
    [
      ['given', LABEL.known_at],
      ['own', Date.UTC(2026, 1, 1)],
    ],
  )
  const [only] = (await read('transaction_id,timestamp,is_fraud\nt,2026-01-31,1', false, defaults)).labels
  assert.deepEqual([only.origin, only.known_at], ['given', LABEL.known_at])
})

test('a line that makes no label is bad, with its number and the reason; what is not told is no verdict', async () => {
  const { labels, bad } = await read(
    Buffer.concat([
      Buffer.from(`${HEADER}t-1,2026-01-31T12:00Z,1,chargeback,2026-02-03T09:30Z
t,2026-01-31,,o,
t,2026-01-31,null,o,
,2026-01-31,1,o,
t,,1,o,
t,2026-02-30,1,o,
t,2026-01-31,1,o,soon
t,2026-01-31,1,,
t,2026-01-31,1,o,
t,2026-01-31,1,o
t,2026-01-31,1,"o,
t,2026-01-31,1,`),
      Buffer.of(0xff),
      Buffer.from(',\nt-1,2026-01-31T12:00Z,1,chargeback,2026-02-03T09:30Z\n'),
    ]),
  )
  assert.deepEqual(labels, [LABEL, LABEL])
  const reasons = [
    /is_fraud "" is none/,
    /is_fraud "null" is none/,
    /transaction_id is missing/,
    /timestamp is missing/,
    /timestamp "2026-02-30" is not a time/,
    /known_at "soon" is not a time/,
    /origin is missing, and there is no --origin/,
    /known_at is missing, and there is no --known-at/,
    /has 4 columns; the header has 5/,
    /a quote opens a value that does not close/,
    /not valid UTF-8/,
  ]
  assert.deepEqual(
    bad.map(({ line }) => line),
    reasons.map((_, i) => i + 3),
  )
  for (const [i, reason] of reasons.entries()) assert.match(bad[i].reason, reason)
})

test('a header that cannot be used says why', async () => {
  await assert.rejects(read(''), /empty/)
  await assert.rejects(
    read('transaction_id,timestamp,is_fraud,origin\n'),
    /lacks the columns known_at;.*--known-at/,
  )
  const withOrigin = read('transaction_id,timestamp,is_fraud\n', false, { origin: 'o' })
  await assert.rejects(withOrigin, /lacks the columns known_at;/)
  await assert.rejects(
    read('a;b\n'),
    /lacks the columns transaction_id, timestamp, is_fraud, origin, known_at/,
  )
  await assert.rejects(read(`origin,${HEADER}`), /the column origin twice/)
})

test('JSON lines take times as numbers of milliseconds and ids as they are written, and nothing of another type', async () => {
  const lines = [
    LABEL,
    { ...LABEL, timestamp: '2026-01-31T12:00:00Z' },
    { ...LABEL, is_fraud: 1, more: {} },
    { ...LABEL, transaction_id: 7 },
    { ...LABEL, is_fraud: null },
    { ...LABEL, known_at: null },
    { ...LABEL, known_at: 9e15 },
    { ...LABEL, origin: '\ud800' },
    { ...LABEL, timestamp: true },
    [],
  ]
  const text = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{`
  const { labels, bad, warnings } = await read(text, true)
  assert.deepEqual(labels, [LABEL, LABEL, LABEL, { ...LABEL, transaction_id: '7' }])
  assert.deepEqual(
    bad.map(({ line }) => line),
    [5, 6, 7, 8, 9, 10, 11],
  )
  assert.deepEqual(warnings, ['keys ignored: "more"'])
})

test('a value in quotes may go on in the next line', async () => {
  const { labels } = await read(`${HEADER}t-1,2026-01-31T12:00Z,1,"two\nlines",2026-02-03T09:30Z\n`)
  assert.deepEqual(labels, [{ ...LABEL, origin: 'two\nlines' }])
})
