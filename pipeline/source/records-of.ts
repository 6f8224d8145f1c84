import type { KafkaMessage } from 'kafkajs'
import type { FetchedRecord } from '../../schemas/kafkajs-records.ts'
import type { SourceRecord } from '../errors.ts'

/** @param messages of a client of createKafka: what they are in truth stands in kafkajs-records.ts */
export const recordsOf = (messages: KafkaMessage[]): SourceRecord[] =>
  messages as unknown[] as (FetchedRecord & SourceRecord)[]
