import { appendFile } from 'node:fs/promises'
import type { Producer } from 'kafkajs'
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
      await producer.send({ topic: deadLetterTopic, acks: -1, messages })
    },
  }
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
