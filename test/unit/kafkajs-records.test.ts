import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import kafkajs from 'kafkajs'
import '../../schemas/kafka.ts'
import type { FetchedRecord } from '../../schemas/kafkajs-records.ts'

const load = createRequire(import.meta.url)
const Decoder = load('kafkajs/src/protocol/decoder.js')
const Record = load('kafkajs/src/protocol/recordBatch/record/v0/index.js')
const { RecordBatch } = load('kafkajs/src/protocol/recordBatch/v0/index.js')
const path = load.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js')
const ours: Decode = load(path)
delete load.cache[path]
const theirs: Decode = load(path)

type Decode = (decoder: unknown) => Promise<Fetched[]>
type Fetched = Pick<FetchedRecord, (typeof SEEN)[number] | 'offset' | 'timestamp' | 'batchContext'>
/** What kafkajs and Weir look at. */
const SEEN = ['key', 'value', 'headers', 'isControlRecord'] as const

interface Given {
  firstOffset: number
  firstTimestamp: number
  compression: number
  appendTime: boolean
  control: boolean
  transactional: boolean
  producerId: number
  records: object[]
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
const record = fc.record({
  offsetDelta: fc.nat(2 ** 31 - 1),
  timestampDelta: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }),
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(
    fc.constantFrom('a', 'weir-code', 'ü', ''),
    fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 3 })),
  ),
})
const batch: fc.Arbitrary<Given> = fc.record({
  firstOffset: fc.nat(2 ** 52),
  firstTimestamp: fc.integer({ min: -1, max: 2 ** 42 }),
  compression: fc.constantFrom(0, 1, 4),
  appendTime: fc.boolean(),
  control: fc.boolean(),
  transactional: fc.boolean(),
  producerId: fc.integer({ min: -1, max: 2 ** 40 }),
  records: fc.array(record, { minLength: 1, maxLength: 20 }),
})

async function encode(given: Given): Promise<Buffer> {
  const { buffer } = await RecordBatch({
    ...given,
    maxTimestamp: given.firstTimestamp + 5,
    records: given.records.map((fields) => Record(fields)),
  })
  if (given.appendTime) buffer[22] |= 0x08
  if (given.control) buffer[22] |= 0x20
  return buffer
}

/** What stands in a fetch's answer, with something of the next partition behind it. */
function answer(content: Buffer) {
  const size = Buffer.alloc(4)
  size.writeInt32BE(content.length)
  return new Decoder(Buffer.concat([size, content, Buffer.from('next')]))
}

const seen = (records: Fetched[]) =>
  records.map((of) => [
    ...SEEN.map((name) => of[name]),
    String(of.offset),
    String(of.timestamp),
    of.batchContext.producerId,
    of.batchContext.inTransaction,
  ])

test('fetched records are what kafkajs reads, a batch that is cut off left out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { maxLength: 4 }), fc.nat(300), async (batches, cut) => {
      const content = Buffer.concat(await Promise.all(batches.map(encode)))
      const short = content.subarray(0, content.length - cut)
      fc.pre(short.length === 0 || short.length > 16) // of less kafkajs says that it is too short
      const [decoder, other] = [answer(short), answer(short)]
      const records = await ours(decoder)
      assert.deepEqual(seen(records), seen(await theirs(other)))
      assert.equal(decoder.offset, other.offset)
    }),
    { numRuns: 200 },
  )
})

test('less of a batch than tells its format is no record, and what follows is read', async () => {
  const decoder = answer(Buffer.alloc(16))
  assert.deepEqual(await ours(decoder), [])
  assert.equal(decoder.offset, 20)
})

test('a compressed batch of 200,000 records is read', async () => {
  const fields = { offsetDelta: 0, timestampDelta: 0, key: null, value: Buffer.from('x'), headers: {} }
  const records = Array.from({ length: 200_000 }, (_, offsetDelta) => Record({ ...fields, offsetDelta }))
  const { buffer } = await RecordBatch({ compression: kafkajs.CompressionTypes.GZIP, records })
  assert.equal((await ours(answer(buffer))).length, 200_000)
})

test('a record that is not as long as it says is refused', async () => {
  const records = [{ offsetDelta: 0, timestampDelta: 0, key: null, value: Buffer.from('x'), headers: {} }]
  const plain = { firstOffset: 0, firstTimestamp: 0, compression: 0, producerId: -1, records }
  const buffer = await encode({ ...plain, appendTime: false, control: false, transactional: false })
  buffer[61] += 2 // zigzag: one more
  await assert.rejects(ours(answer(buffer)), RangeError)
})

test('a header may be called as what every object has', async () => {
  const headers = Object.fromEntries(['constructor', '__proto__'].map((name) => [name, Buffer.from('x')]))
  const records = [{ offsetDelta: 0, timestampDelta: 0, key: null, value: null, headers }]
  const plain = { firstOffset: 0, firstTimestamp: 0, compression: 0, producerId: -1, records }
  const buffer = await encode({ ...plain, appendTime: false, control: false, transactional: false })
  const [read] = await ours(answer(buffer))
  assert.deepEqual(Object.entries(read.headers), Object.entries(headers))
})
