import { createHash } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import kafkajs, { type CompressionTypes, type Message, type Producer } from 'kafkajs'
import type { Reject, SourceRecord } from '../errors.ts'

/** Where rejected records go. Resolves when they are safe: the position moves only then. */
export interface DeadLetters {
  send(topic: string, partition: number, rejects: Reject[]): Promise<void>
}

const REQUEST_BYTES = 500_000
const REQUEST_RECORDS = 1000
/** Our headers and the framing of a dead letter, generously. */
const OVERHEAD_BYTES = 1024

/** The rejects from `from` on that one request takes: at least one, together not much above half a megabyte. */
export function oneRequest(rejects: Reject[], from: number): Reject[] {
  let bytes = 0
  let end = from
  while (end < rejects.length && end - from < REQUEST_RECORDS) {
    bytes += OVERHEAD_BYTES + sizeOf(rejects[end].record)
    if (bytes > REQUEST_BYTES && end > from) break
    end++
  }
  return rejects.slice(from, end)
}

function sizeOf({ key, value, headers = {} }: SourceRecord): number {
  let bytes = (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, given] of Object.entries(headers))
    for (const one of [given].flat()) bytes += name.length + (one?.length ?? 0)
  return bytes
}

/** To the dead-letter topic: the original key, value and headers, and headers that say where from and why. */
export function kafkaDeadLetters(producer: Producer, deadLetterTopic: string): DeadLetters {
  return {
    async send(topic, partition, rejects) {
      const messages = rejects.map((reject) => {
        const { key, value, headers } = reject.record
        return { key, value, headers: { ...headers, ...originHeaders(topic, partition, reject) } }
      })
      const send = (some: Message[], compression?: CompressionTypes) =>
        producer.send({ topic: deadLetterTopic, acks: -1, messages: some, compression })
      await orIfTooLarge(send(messages), async () => {
        for (const message of messages) await sendLarge(message, send)
      })
    },
  }
}

type Send = (messages: Message[], compression?: CompressionTypes) => Promise<unknown>

/** What is small while compressed may have come through the topic's limit: so it goes, too, else its beginning. */
const sendLarge = (message: Message, send: Send): Promise<unknown> =>
  orIfTooLarge(send([message], kafkajs.CompressionTypes.GZIP), () => send([beginningOf(message)]))

async function orIfTooLarge(sent: Promise<unknown>, otherwise: () => Promise<unknown>): Promise<void> {
  try {
    await sent
  } catch (error) {
    if ((error as { type?: string }).type !== 'MESSAGE_TOO_LARGE') throw error
    await otherwise()
  }
}

const BEGINNING_BYTES = 64 * 1024

/** With a header that tells the whole's size and digest. */
function beginningOf({ key, value, headers }: Message): Message {
  const whole = Buffer.from(value ?? '')
  const digest = createHash('sha256').update(whole).digest('hex')
  const cut = `${whole.length} bytes, SHA-256 ${digest}`
  return { key, value: whole.subarray(0, BEGINNING_BYTES), headers: { ...headers, 'weir-cut': cut } }
}

/** To a file of JSON lines, where there is no Kafka. Keys and values are base64. */
export function fileDeadLetters(path: string): DeadLetters {
  return {
    async send(topic, partition, rejects) {
      const lines = rejects.map((reject) => {
        const { key, value } = reject.record
        const origin = originHeaders(topic, partition, reject)
        return `${JSON.stringify({ ...origin, key: key?.toString('base64'), value: value?.toString('base64') })}\n`
      })
      await appendFile(path, lines.join(''), { flush: true })
    },
  }
}

const originHeaders = (
  topic: string,
  partition: number,
  { record, code, message }: Reject,
): Record<string, string> => ({
  'weir-topic': topic,
  'weir-partition': String(partition),
  'weir-offset': String(record.offset),
  'weir-timestamp': String(record.timestamp),
  'weir-code': code,
  'weir-message': message,
})
