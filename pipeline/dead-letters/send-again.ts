import type { ICustomPartitioner, KafkaMessage, Message, Producer } from 'kafkajs'
import type pg from 'pg'
import { keyPartitioner } from '../produce/partitioner.ts'
import type { Entry } from './entries.ts'
import { replayHeaders, splitOrigin } from './letter.ts'
import type { Ranges } from './read-topic.ts'
import { recordReplays } from './replays.ts'
import { readLetters, type Session } from './session.ts'

/** Bytes and records of one request, at most; a request is noted in the database at once. */
const MAX_BYTES = 900_000
const MAX_RECORDS = 500
/** As in `npm run produce`: some four minutes. */
const RETRY = { retries: 50, maxRetryTime: 5000 }

/** By the key, as `npm run produce`. Without one any partition is as good: the one that the record was in. */
const partitioner: ICustomPartitioner = () => {
  const byKey = keyPartitioner()
  return (asked) => (asked.message.partition ?? byKey(asked)) % asked.partitionMetadata.length
}

/** Counted while it goes on. */
export interface Result {
  sent: number
  /** Larger than the transactions topic takes. */
  refused: number
}

/**
 * Sends the entries' originals to the transactions topic, in the dead-letter topic's order, and notes each request in
 * the database once Kafka has acknowledged it: what is sent and not noted is sent twice, and is a duplicate then.
 * @throws when aborted, or Kafka or the database is away; `result` tells how far it was
 */
export async function sendAgain(
  session: Session,
  client: pg.Client,
  entries: Entry[],
  result: Result,
): Promise<void> {
  const producer = session.kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: partitioner,
    retry: RETRY,
  })
  await producer.connect()
  try {
    const wanted = new Map(entries.map((entry) => [placeOf(entry.first.place), entry]))
    const requests = new Requests(producer, client, session.settings.TRANSACTIONS_TOPIC, result)
    await readLetters(session, rangesOf(entries), (partition, message) => {
      const entry = wanted.get(placeOf({ partition, offset: Number(message.offset) }))
      return entry && requests.add(entry, message)
    })
    await requests.flush()
  } finally {
    await producer.disconnect()
  }
}

class Requests {
  readonly #producer: Producer
  readonly #client: pg.Client
  readonly #topic: string
  readonly #result: Result
  #entries: Entry[] = []
  #messages: Message[] = []
  #bytes = 0

  constructor(producer: Producer, client: pg.Client, topic: string, result: Result) {
    this.#producer = producer
    this.#client = client
    this.#topic = topic
    this.#result = result
  }

  async add(entry: Entry, original: KafkaMessage): Promise<void> {
    const message = replayed(entry, original)
    const size = sizeOf(message)
    if (this.#bytes + size > MAX_BYTES || this.#messages.length >= MAX_RECORDS) await this.flush()
    this.#entries.push(entry)
    this.#messages.push(message)
    this.#bytes += size
  }

  async flush(): Promise<void> {
    const [entries, messages] = [this.#entries, this.#messages]
    this.#entries = []
    this.#messages = []
    this.#bytes = 0
    if (messages.length === 0) return
    try {
      await this.#producer.send({ topic: this.#topic, messages, acks: -1 })
    } catch (error) {
      // It fitted once; with another header, or since the topic's limit was lowered, it does not.
      if (messages.length > 1 || (error as { type?: string }).type !== 'MESSAGE_TOO_LARGE') throw error
      this.#result.refused++
      console.error(`${entries[0].origin} was not sent: larger than max.message.bytes of ${this.#topic}`)
      return
    }
    this.#result.sent += messages.length
    await recordReplays(this.#client, entries).catch((cause: Error) => {
      throw new Error(
        `${messages.length} were sent, but not noted in the database (${cause.message}): the next replay sends them ` +
          'again, and the pipeline leaves them out as duplicates',
        { cause },
      )
    })
  }
}

function replayed({ origin, first }: Entry, { key, value, headers = {} }: KafkaMessage): Message {
  const partition = key === null ? splitOrigin(first.origin).partition : undefined
  return { key, value, headers: replayHeaders(headers, origin), partition }
}

function sizeOf({ key, value, headers = {} }: Message): number {
  const texts = Object.entries(headers).flatMap(([name, values]) => [name, ...[values ?? ''].flat()])
  return texts.reduce((sum, text) => sum + text.length, (key?.length ?? 0) + (value?.length ?? 0) + 64)
}

const placeOf = ({ partition, offset }: { partition: number; offset: number }): string =>
  `${partition}/${offset}`

function rangesOf(entries: Entry[]): Ranges {
  const ranges: Ranges = new Map()
  for (const { place } of entries.map((entry) => entry.first)) {
    const { from, to } = ranges.get(place.partition) ?? { from: place.offset, to: 0 }
    ranges.set(place.partition, { from: Math.min(from, place.offset), to: Math.max(to, place.offset + 1) })
  }
  return ranges
}
