import type { ICustomPartitioner } from 'kafkajs'

/**
 * Puts a record where Kafka's own clients put it by its key, as kafkajs's DefaultPartitioner does; but that one
 * counts in BigInts and takes 46 s for a key of half a megabyte, which anybody's file may hold.
 */
export const keyPartitioner: ICustomPartitioner =
  () =>
  ({ partitionMetadata, message }) =>
    (murmur2(Buffer.from(message.key ?? '')) & 0x7fffffff) % partitionMetadata.length

/** Where the producer puts an account's records; ids are short, so they are hashed without a call into the runtime. */
export function partitionOf(account: string, partitions: number): number {
  const { length } = account
  for (let i = 0; i < length; i++) {
    const unit = account.charCodeAt(i)
    if (unit < 0x80 && i < scratch.length) scratch[i] = unit
    else return (murmur2(Buffer.from(account)) & 0x7fffffff) % partitions
  }
  return (murmur2(scratch, length) & 0x7fffffff) % partitions
}

const scratch = Buffer.alloc(64)

const M = 0x5bd1e995
const SEED = 0x9747b28c

/** The hash MurmurHash2 of 32 bits, with Kafka's seed. */
export function murmur2(bytes: Buffer, length = bytes.length): number {
  const whole = length & ~3
  let hash = SEED ^ length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), M)
    word = Math.imul(word ^ (word >>> 24), M)
    hash = Math.imul(hash, M) ^ word
  }
  if (whole < length) {
    hash = Math.imul(hash ^ bytes.readUIntLE(whole, length - whole), M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}
