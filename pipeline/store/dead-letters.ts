import { appendFile } from 'node:fs/promises'
import type { Producer } from 'kafkajs'
import type { Reject } from '../errors.ts'

/** Where rejected records go. Resolves when they are safe: the position moves only then. */
export interface DeadLetters {
  send(topic: string, partition: number, rejects: Reject[]): Promise<void>
}

const REQUEST_BYTES = 500_000
const REQUEST_RECORDS = 1000
/** Headers and framing of a dead letter, generously. */
const OVERHEAD_BYTES = 1024

/** The rejects from `from` on that one request takes: at least one, together not much above half a megabyte. */
export function oneRequest(rejects: Reject[], from: number): Reject[] {
  let bytes = 0
  let end = from
  while (end < rejects.length && end - from < REQUEST_RECORDS) {
    const { key, value } = rejects[end].record
    bytes += OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
    if (bytes > REQUEST_BYTES && end > from) break
    end++
  }
  return rejects.slice(from, end)
}

/** To the dead-letter topic: the original key, value and headers, and headers that say where from and why. */
export function kafkaDeadLetters(producer: Producer, deadLetterTopic: string): DeadLetters {
  return {
    async send(topic, partition, rejects) {
      // One request each: together they could exceed a request's largest size, and they are few.
      for (const { record, code, message } of rejects) {
        const { key, value, headers } = record
        const origin = originHeaders(topic, partition, { record, code, message })
        await producer.send({
          topic: deadLetterTopic,
          acks: -1,
          messages: [{ key, value, headers: { ...headers, ...origin } }],
        })
      }
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
