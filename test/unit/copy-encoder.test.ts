import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Batch } from '../../pipeline/batch.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import type { Anomaly } from '../../pipeline/stages/reasons.ts'
import { COLUMNS, CopyEncoder } from '../../pipeline/store/copy-encoder.ts'
import { CHANNELS, type Transaction } from '../../schemas/transaction.ts'
import { batchOf, ownership } from '../support/batches.ts'
import { columnNames, parseCopy, type Row } from '../support/copy-parser.ts'
import { NOON, transaction } from '../support/transactions.ts'

const CHUNK = 256 * 1024
const BUFFER = 4 * 1024 * 1024

/** Unknown in every third row. */
const ratioOf = (row: number): number => (row % 3 === 2 ? Number.NaN : (row + 1) / 3)

function scored(
  transactions: Transaction[],
  anomalies: [number, Anomaly][] = [],
  from = 0,
  partition = 3,
): Batch {
  const batch = batchOf(transactions, ownership({ partition }), from)
  batch.features = new Float64Array(transactions.length * FEATURE_COUNT).map((_, i) =>
    ratioOf(Math.floor(i / FEATURE_COUNT)),
  )
  batch.scores = Float32Array.from(transactions, (_, i) => i / 7)
  batch.anomalies = new Map(anomalies)
  return batch
}

/** The row that the batch's transaction must become. */
function expectedRow(batch: Batch, row: number): Row {
  const { amount, ...texts } = batch.transactions[row]
  const anomaly = batch.anomalies.get(row)
  return {
    ...texts,
    amount: BigInt(amount),
    amount_ratio: Number.isNaN(ratioOf(row)) ? null : Math.fround(ratioOf(row)),
    score: batch.scores[row],
    is_anomaly: anomaly !== undefined,
    alert_reason: anomaly?.reasons[0].code ?? null,
    reasons: anomaly?.reasons ?? null,
    features: anomaly?.features ?? null,
    status: anomaly === undefined ? null : 'NEW',
    rules_version: 'rules-1',
    model_version: 'modèle-1',
    kafka_partition: batch.owner.partition,
    kafka_offset: batch.records[batch.recordOf[row]].offset,
  }
}

function assertRoundTrip(batch: Batch, encoder = new CopyEncoder('rules-1', 'modèle-1')): Buffer[] {
  const chunks = encoder.encode([batch])
  const rows = parseCopy(Buffer.concat(chunks))
  assert.equal(rows.length, batch.transactions.length)
  rows.forEach((row, i) => {
    assert.deepEqual(row, expectedRow(batch, i))
  })
  return chunks
}

const anomaly = (message: string): Anomaly => ({
  reasons: [
    { code: 'HIGH_AMOUNT', score: 0.8, message },
    { code: 'MODEL', score: 0.7, message: 'rare' },
  ],
  features: { amount: 12.34, deviation: null, home: 'Zürich' },
})

test('the columns are those of the table, in the order of the fields', () => {
  assert.deepEqual([...COLUMNS], columnNames)
})

test('amounts become exact numerics', () => {
  const amounts = [0, 1, 9999, 10_000, 10_001, 9999_9999, 10_000_0000, 9999_9999_9999, 9_999_999_999_999]
  assertRoundTrip(scored(amounts.map((amount) => transaction({ amount }))))
  const amount = fc.oneof(fc.integer({ min: 0, max: 9_999_999_999_999 }), fc.nat(200_000_000))
  fc.assert(
    fc.property(
      fc.array(amount),
      (some) => void assertRoundTrip(scored(some.map((a) => transaction({ amount: a })))),
    ),
  )
})

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.constantFrom(
    '',
    'x'.repeat(63),
    'x'.repeat(64),
    'x'.repeat(65),
    `${'x'.repeat(63)}é`,
    'é'.repeat(64),
    '🏔'.repeat(33),
    '\u0000\ufeff',
  ),
)
const anyTransaction: fc.Arbitrary<Transaction> = fc.record({
  transaction_id: anyText,
  account_id: anyText,
  timestamp: fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2200, 0, 1) - 1 }),
  amount: fc.integer({ min: 0, max: 9_999_999_999_999 }),
  currency: fc.constantFrom('EUR', 'usd'),
  merchant_id: fc.option(anyText),
  merchant_category: anyText,
  location: anyText,
  channel: fc.constantFrom(...CHANNELS),
  is_fraud: fc.option(fc.boolean()),
})

test('any transaction is read back as it is, anomaly or not', () => {
  const encoder = new CopyEncoder('rules-1', 'modèle-1')
  fc.assert(
    fc.property(fc.array(fc.tuple(anyTransaction, fc.option(anyText))), (some) => {
      const anomalies = some.flatMap(([, message], i): [number, Anomaly][] =>
        message === null ? [] : [[i, anomaly(message)]],
      )
      assertRoundTrip(
        scored(
          some.map(([tx]) => tx),
          anomalies,
        ),
        encoder,
      )
    }),
  )
})

test('offsets and partitions beyond 32 bits and 15 bits, and the first moment of 2000, are exact', () => {
  assertRoundTrip(scored([transaction({ timestamp: Date.UTC(2000, 0, 1) })], [], 2 ** 31 - 1, 40_000))
  assertRoundTrip(scored([transaction(), transaction()], [], 2 ** 32 - 1))
  assertRoundTrip(scored([transaction({ timestamp: NOON + 1 })], [], Number.MAX_SAFE_INTEGER - 1))
})

test('a row carries the offset of its own record when earlier rows were left out', () => {
  const batch = scored([transaction()], [], 10)
  batch.records.unshift({ ...batch.records[0], offset: 9 })
  batch.recordOf = [1]
  const [row] = parseCopy(Buffer.concat(new CopyEncoder('r', 'm').encode([batch])))
  assert.equal(row.kafka_offset, 10)
})

test('an empty batch is a header and an end', () => {
  assert.deepEqual(
    assertRoundTrip(scored([])).map((chunk) => chunk.length),
    [21],
  )
})

test('a batch larger than the buffer comes in pieces of 256 KiB, and the next one is not disturbed by it', () => {
  const encoder = new CopyEncoder('rules-1', 'modèle-1')
  const large = scored(Array.from({ length: 40_000 }, (_, i) => transaction({ location: `place ${i}` })))
  const chunks = assertRoundTrip(large, encoder)
  assert.ok(chunks.reduce((sum, chunk) => sum + chunk.length, 0) > BUFFER)
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length === CHUNK))
  assert.ok(chunks[chunks.length - 1].length <= CHUNK)
  assertRoundTrip(scored([transaction()]), encoder)
})

test('a single text larger than the buffer fits, in the middle of other rows', () => {
  const long = 'é'.repeat(BUFFER)
  assertRoundTrip(
    scored([
      transaction(),
      transaction({ location: long }),
      transaction({ merchant_id: 'x'.repeat(BUFFER) }),
    ]),
  )
  assertRoundTrip(scored([transaction()], [[0, anomaly(long)]]))
})

test('wherever the buffer ends, nothing is cut', () => {
  const encoder = new CopyEncoder('rules-1', 'modèle-1')
  const short = scored([transaction()])
  const width = Buffer.concat(encoder.encode([short])).length
  // The first row nearly fills the buffer, a few bytes more each time, so that each field of the second meets its end.
  for (let left = 0; left < 2 * width; left += 3) {
    const fill = transaction({ location: 'x'.repeat((BUFFER - left) % 1_300_000) })
    const rows = [fill, fill, fill, transaction({ merchant_id: null, is_fraud: null })]
    assertRoundTrip(scored(rows), left % 30 === 0 ? new CopyEncoder('rules-1', 'modèle-1') : encoder)
  }
})
