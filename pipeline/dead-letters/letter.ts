import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { IHeaders, KafkaMessage } from 'kafkajs'

/** What the dead-letter topic's records say about themselves, without their values: all of them fit into memory. */
export interface Letter {
  /** Where it stands in the dead-letter topic. */
  place: Place
  /** When it was rejected, milliseconds: its own time in the dead-letter topic. */
  rejectedAt: number
  /** The rejected record, as topic/partition/offset. */
  origin: string
  /** The first origin, if the rejected record was a replay itself. */
  replayOf: string | undefined
  /** The rejected record's own Kafka time, milliseconds. Its producer may have claimed any. */
  sentAt: number
  code: string
  message: string
  /** As text, or as hex after 0x; cut off when long. */
  key: string | null
  /** Only the value's beginning is there: the whole was too large for the topic. */
  isCut: boolean
  /** Tells key and value from any other. */
  digest: string
}

export interface Place {
  partition: number
  offset: number
}

const REPLAY_OF = 'weir-replay-of'
/** What the pipeline adds to the original's headers. */
const ADDED = [
  'weir-topic',
  'weir-partition',
  'weir-offset',
  'weir-timestamp',
  'weir-code',
  'weir-message',
  'weir-cut',
]

const MAX_MESSAGE = 1000
const MAX_KEY = 200
const ORIGIN = /^[\w.-]{1,249}\/\d{1,10}\/\d{1,16}$/

/** Whether the text is topic/partition/offset. */
export const isOrigin = (text: string): boolean => ORIGIN.test(text)

/** The parts of an origin. Topics have no slash in their names. */
export function splitOrigin(origin: string): Place & { topic: string } {
  const [topic, partition, offset] = origin.split('/')
  return { topic, partition: Number(partition), offset: Number(offset) }
}

/** Reads a record of the dead-letter topic; undefined if it is none of Weir's. */
export function readLetter(partition: number, message: KafkaMessage): Letter | undefined {
  const headers = message.headers ?? {}
  const origin = ['weir-topic', 'weir-partition', 'weir-offset']
    .map((name) => textOf(headers, name))
    .join('/')
  const code = textOf(headers, 'weir-code')
  if (code === undefined || !isOrigin(origin)) return undefined
  const replayOf = textOf(headers, REPLAY_OF)
  return {
    place: { partition, offset: Number(message.offset) },
    rejectedAt: Number(message.timestamp),
    origin,
    // Any producer can set the header: what is no origin is no replay.
    replayOf: replayOf !== undefined && isOrigin(replayOf) ? replayOf : undefined,
    sentAt: Number(textOf(headers, 'weir-timestamp')),
    code,
    message: (textOf(headers, 'weir-message') ?? '').slice(0, MAX_MESSAGE),
    key: message.key === null ? null : bytesAsText(message.key, MAX_KEY),
    isCut: headers['weir-cut'] !== undefined,
    digest: digestOf(message),
  }
}

/** The headers to replay a dead letter with: the original's own, and the first origin. */
export function replayHeaders(headers: IHeaders, origin: string): IHeaders {
  const own = Object.entries(headers).filter(([name]) => !ADDED.includes(name))
  return { ...Object.fromEntries(own), [REPLAY_OF]: origin }
}

/** Bytes as text where they are UTF-8, else as hex after 0x; at most so many of them. */
export function bytesAsText(bytes: Buffer, most: number): string {
  const text = isUtf8(bytes) ? bytes.toString() : `0x${bytes.subarray(0, most).toString('hex')}`
  // A copy: a slice would keep the whole text alive.
  return text.length <= most ? text : `${Buffer.from(text.slice(0, most)).toString()}…`
}

function textOf(headers: IHeaders, name: string): string | undefined {
  const value = headers[name]
  const last = Array.isArray(value) ? value.at(-1) : value
  return last?.toString()
}

function digestOf({ key, value }: KafkaMessage): string {
  const hash = createHash('sha256')
  for (const part of [key, value]) hash.update(part === null ? '-' : `${part.length}:`).update(part ?? '')
  return hash.digest('base64').slice(0, 22)
}
