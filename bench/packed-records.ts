import { partitionOf } from '../pipeline/produce/partitioner.ts'
import { type Transaction, transactionType } from '../schemas/transaction.ts'
import { frame } from '../schemas/wire.ts'

const CHUNK_RECORDS = 10_000

interface Chunk {
  /** Keys and values, one behind the other. */
  bytes: Buffer
  /** Where each record's key ends, and its value. */
  ends: Uint32Array
}

/**
 * Encoded records, made before they are needed: millions of them in a few buffers, since as objects they would keep the
 * garbage collector busy in the process that must be in time.
 */
export class PackedRecords {
  readonly #chunks: Chunk[] = []
  readonly #partitions: Uint16Array

  /**
   * @param records how many of the transactions
   * @param schemaId of the Avro schema, for the frames
   * @param partitions of the topic, at most 65,536
   */
  constructor(transactions: Iterator<Transaction>, records: number, schemaId: number, partitions: number) {
    this.#partitions = new Uint16Array(records)
    for (let from = 0; from < records; from += CHUNK_RECORDS) {
      const parts: Buffer[] = []
      for (let n = from; n < Math.min(from + CHUNK_RECORDS, records); n++) {
        const transaction = transactions.next().value as Transaction
        this.#partitions[n] = partitionOf(transaction.account_id, partitions)
        parts.push(Buffer.from(transaction.account_id), frame(schemaId, transactionType, transaction))
      }
      let end = 0
      const ends = Uint32Array.from(parts, ({ length }) => (end += length))
      this.#chunks.push({ bytes: Buffer.concat(parts), ends })
    }
  }

  partition(n: number): number {
    return this.#partitions[n]
  }

  /** The record's key and value; views, not copies. */
  at(n: number): { key: Buffer; value: Buffer } {
    const { bytes, ends } = this.#chunks[Math.floor(n / CHUNK_RECORDS)]
    const at = 2 * (n % CHUNK_RECORDS)
    const from = at === 0 ? 0 : ends[at - 1]
    return { key: bytes.subarray(from, ends[at]), value: bytes.subarray(ends[at], ends[at + 1]) }
  }
}
