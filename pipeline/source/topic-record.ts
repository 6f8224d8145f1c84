import type { KafkaMessage } from 'kafkajs'
import type { FetchedRecord } from '../../schemas/kafkajs-records.ts'
import type { SourceRecord } from '../errors.ts'

/** A record of kafkajs as ours. Its key and headers are only made for the few that are asked for them. */
class TopicRecord implements SourceRecord {
  readonly offset: number
  readonly timestamp: number
  readonly value: Buffer | null
  readonly #fetched: FetchedRecord

  constructor(fetched: FetchedRecord) {
    this.offset = fetched.offsetNumber
    this.timestamp = fetched.time
    this.value = fetched.value
    this.#fetched = fetched
  }

  get key(): Buffer | null {
    return this.#fetched.key
  }

  get headers(): SourceRecord['headers'] {
    return this.#fetched.headers as SourceRecord['headers']
  }
}

/** @param message of a client of createKafka, see kafkajs-records.ts */
export const toRecord = (message: KafkaMessage): SourceRecord =>
  new TopicRecord(message as unknown as FetchedRecord)
