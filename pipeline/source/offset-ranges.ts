import type { Admin } from 'kafkajs'
import type { OffsetRange } from '../store/ownerships.ts'

/** First and next offset of each of a topic's partitions, as Kafka tells them now. */
export async function offsetRanges(admin: Admin, topic: string): Promise<Map<number, OffsetRange>> {
  const offsets = await admin.fetchTopicOffsets(topic)
  const partitions = offsets.length
  return new Map(offsets.map((o) => [o.partition, { low: Number(o.low), high: Number(o.high), partitions }]))
}

/** @throws when Kafka tells nothing of the partition */
export async function offsetRange(admin: Admin, topic: string, partition: number): Promise<OffsetRange> {
  const range = (await offsetRanges(admin, topic)).get(partition)
  if (range === undefined) throw new Error(`Kafka does not tell the offsets of partition ${partition}`)
  return range
}
