import { createRequire } from 'node:module'

/**
 * Reads fetched records in place of kafkajs 2.2.4: of each it makes three buffers, two decoders, four BigInts and two
 * strings, and it spreads a batch over the stack, which more than some 125,000 compressed records overflow (its PR 1723).
 * Here a record is one object over the response's bytes; what is not asked for is not made.
 */

const load = createRequire(import.meta.url)
const replaced = load.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js')
const decodeMessagesOfKafkajs: (decoder: Decoder) => Promise<unknown[]> = load(replaced)
const { lookupCodecByAttributes } = load('kafkajs/src/protocol/message/compression/index.js')
// kafkajs loads it at the first fetch, and then keeps it.
load.cache[replaced]!.exports = decodeMessages

/** The parts of kafkajs' decoder that are used here. */
interface Decoder {
  buffer: Buffer
  offset: number
  readInt32(): number
  canReadBytes(count: number): boolean
  readBytes(count: number): Buffer
}

type Headers = Record<string, Buffer | null | (Buffer | null)[]>

/** What the records of a batch share, under kafkajs' names. */
interface BatchContext {
  firstOffset: string
  producerId: string
  inTransaction: boolean
}

/**
 * A record as kafkajs hands it on, under its names. Offset and time (milliseconds) are numbers, exact up to 2^53, where
 * kafkajs' types say strings: it takes either, and a string for each would only be parsed again.
 */
export class FetchedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly value: Buffer | null
  readonly headers: Headers
  readonly isControlRecord: boolean
  readonly batchContext: BatchContext
  readonly #bytes: Buffer
  readonly #keyAt: number
  readonly #keyLength: number

  constructor(
    offset: number,
    timestamp: number,
    bytes: Buffer,
    keyAt: number,
    keyLength: number,
    value: Buffer | null,
    headers: Headers,
    isControlRecord: boolean,
    batchContext: BatchContext,
  ) {
    this.offset = offset
    this.timestamp = timestamp
    this.#bytes = bytes
    this.#keyAt = keyAt
    this.#keyLength = keyLength
    this.value = value
    this.headers = headers
    this.isControlRecord = isControlRecord
    this.batchContext = batchContext
  }

  get key(): Buffer | null {
    return this.#keyLength < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keyLength)
  }
}

/** Where the format of record batches has its parts: https://kafka.apache.org/documentation/#recordbatch */
const BATCH_LENGTH = 8
const MAGIC = 16
const ATTRIBUTES = 21
const BASE_TIME = 27
const MAX_TIME = 35
const PRODUCER = 43
const COUNT = 57
const RECORDS = 61
/** How many times its own size a partition's part of a response may keep in memory. */
const MOST_PINNED = 16

const LOG_APPEND_TIME = 0x08
const IN_TRANSACTION = 0x10
const IS_CONTROL = 0x20

async function decodeMessages(decoder: Decoder): Promise<unknown[]> {
  const start = decoder.offset
  const size = decoder.readInt32()
  if (size <= 0 || !decoder.canReadBytes(size)) return []
  let bytes = decoder.readBytes(size)
  if (size <= MAGIC) return [] // so little of a batch that kafkajs reads beyond it
  if (bytes[MAGIC] !== 2) {
    decoder.offset = start
    return decodeMessagesOfKafkajs(decoder)
  }
  // Else few records that wait would keep all of a large response's other partitions in memory.
  if (size * MOST_PINNED < bytes.buffer.byteLength) bytes = Buffer.from(bytes)
  const records: FetchedRecord[] = []
  // The last batch may be cut off: Kafka sends so many bytes, not so many batches.
  for (let from = 0; from + RECORDS <= size; ) {
    const to = from + BATCH_LENGTH + 4 + bytes.readInt32BE(from + BATCH_LENGTH)
    if (to > size) break
    if (to < from + RECORDS) throw new RangeError(`a batch of ${to - from} bytes`)
    await readBatch(bytes, from, to, records)
    from = to
  }
  return records
}

async function readBatch(bytes: Buffer, from: number, to: number, records: FetchedRecord[]): Promise<void> {
  const attributes = bytes.readInt16BE(from + ATTRIBUTES)
  const count = bytes.readInt32BE(from + COUNT)
  const header: BatchHeader = {
    firstOffset: Number(bytes.readBigInt64BE(from)),
    baseTime: Number(bytes.readBigInt64BE(from + BASE_TIME)),
    appendTime: attributes & LOG_APPEND_TIME ? Number(bytes.readBigInt64BE(from + MAX_TIME)) : null,
    isControl: (attributes & IS_CONTROL) !== 0,
    context: {
      firstOffset: String(bytes.readBigInt64BE(from)),
      producerId: String(bytes.readBigInt64BE(from + PRODUCER)),
      inTransaction: (attributes & IN_TRANSACTION) !== 0,
    },
  }
  const codec = lookupCodecByAttributes(attributes)
  if (codec === null) readRecords(bytes, from + RECORDS, to, count, header, records)
  else {
    const plain: Buffer = await codec.decompress(bytes.subarray(from + RECORDS, to))
    readRecords(plain, 0, plain.length, count, header, records)
  }
}

interface BatchHeader {
  firstOffset: number
  baseTime: number
  /** Kafka's own time for all of them, where the topic is set so. */
  appendTime: number | null
  isControl: boolean
  context: BatchContext
}

const NO_HEADERS: Headers = Object.freeze({})

let source: Buffer = Buffer.alloc(0)
let at = 0

/** @throws RangeError when the records are not what their lengths say */
function readRecords(
  bytes: Buffer,
  from: number,
  to: number,
  count: number,
  { firstOffset, baseTime, appendTime, isControl, context }: BatchHeader,
  records: FetchedRecord[],
): void {
  source = bytes
  at = from
  for (let i = 0; i < count; i++) {
    const length = varint()
    const end = at + length
    if (!(length > 0 && end <= to)) throw new RangeError(`a record of ${length} bytes in a batch of ${to}`)
    at++ // attributes: none are in use
    const time = baseTime + varint()
    const offset = firstOffset + varint()
    const keyLength = varint()
    const keyAt = at
    if (keyLength > 0) at += keyLength
    const valueLength = varint()
    const value = valueLength < 0 ? null : bytes.subarray(at, at + valueLength)
    if (valueLength > 0) at += valueLength
    const headerCount = varint()
    const headers = headerCount === 0 ? NO_HEADERS : readHeaders(headerCount)
    if (at !== end) throw new RangeError(`a record ends ${at - end} bytes from where its length says`)
    records.push(
      new FetchedRecord(
        offset,
        appendTime ?? time,
        bytes,
        keyAt,
        keyLength,
        value,
        headers,
        isControl,
        context,
      ),
    )
  }
}

/** Of a name that comes again the values are a list, as kafkajs has it. */
function readHeaders(count: number): Headers {
  const headers = new Map<string, Headers[string]>()
  for (let i = 0; i < count; i++) {
    const name = bytesOf(varint())?.toString() ?? ''
    const value = bytesOf(varint())
    const known = headers.get(name)
    headers.set(name, known === undefined ? value : [known, value].flat())
  }
  // Not by assignment: a header may have the name of what every object has.
  return Object.fromEntries(headers)
}

function bytesOf(length: number): Buffer | null {
  if (length < 0) return null
  at += length
  return source.subarray(at - length, at)
}

/** Zigzag, of up to ten bytes. */
function varint(): number {
  let byte = source[at++]
  if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
  let value = byte & 0x7f
  let factor = 128
  do {
    byte = source[at++]
    value += (byte & 0x7f) * factor
    factor *= 128
  } while (byte >= 0x80)
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2
}
