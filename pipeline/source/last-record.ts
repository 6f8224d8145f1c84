import { crc32 } from 'node:zlib'
import type { SourceRecord } from '../errors.ts'
import { FatalError } from '../errors.ts'

/** By what the newest record that the position has passed is known again. */
export interface LastRecord {
  offset: number
  /** The record's own time in Kafka, milliseconds. */
  timestamp: number
  /** CRC-32 of its key and value. */
  crc: number
}

const NOTHING = Buffer.alloc(0)

export const identify = ({ offset, timestamp, key, value }: SourceRecord): LastRecord => ({
  offset,
  timestamp,
  crc: crc32(value ?? NOTHING, crc32(key ?? NOTHING)),
})

/**
 * Whether Kafka can be asked for the record: it must lie before the position (behind it when that was set back by
 * hand: then it says nothing) and in the topic still.
 */
export const isComparable = (
  last: LastRecord | null,
  position: number,
  { low, high }: { low: number; high: number },
): last is LastRecord => last !== null && last.offset < position && last.offset >= low && last.offset < high

/**
 * Compares what was stored with what the topic has from that offset on. No such record there (retention, compaction)
 * tells nothing.
 * @throws FatalError when another record stands there: going on would leave out the records before the position
 */
export function refuseOther(topic: string, partition: number, last: LastRecord, found: SourceRecord): void {
  if (found.offset !== last.offset) return
  const { timestamp, crc } = identify(found)
  if (timestamp === last.timestamp && crc === last.crc) return
  throw new FatalError(
    `${topic}/${partition}: the record at offset ${last.offset} is not the one that was stored: it is of ` +
      `${timeOf(timestamp)}, the stored one of ${timeOf(last.timestamp)}. Was the topic made anew, or is this the ` +
      'database of another Kafka? A new topic needs a new database, since its offsets begin anew. To go on at the ' +
      'position all the same, without the records before it, set positions.last_offset to NULL by hand.',
  )
}

const timeOf = (ms: number): string => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : `${ms} ms`)
