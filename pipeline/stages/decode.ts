import { FRAME_BYTES, MAGIC } from '../../schemas/wire.ts'
import type { Batch } from '../batch.ts'
import { validate } from '../decode/validate.ts'
import type { Writer, Writers } from '../decode/writers.ts'
import type { RejectCode, SourceRecord } from '../errors.ts'
import { partitionOf } from '../produce/partitioner.ts'

/** From bytes to transactions. What cannot be decoded, or is not valid, is among the batch's rejects. */
export function decode(writers: Writers): (batch: Batch) => Batch | Promise<Batch> {
  return function decodeBatch(batch) {
    const missing = unknownIds(batch.records, writers)
    if (missing.size === 0) return decodeRecords(batch, writers)
    return writers.load(missing).then(() => decodeRecords(batch, writers))
  }
}

const isFramed = (value: Buffer): boolean => value.length >= FRAME_BYTES && value[0] === MAGIC

function unknownIds(records: SourceRecord[], writers: Writers): Set<number> {
  const ids = new Set<number>()
  let last = -1
  for (const { value } of records) {
    if (value === null || !isFramed(value)) continue
    const id = value.readUInt32BE(1)
    if (id === last) continue
    last = id
    const writer = writers.get(id)
    if (writer === undefined || 'code' in writer) ids.add(id)
  }
  return ids
}

function decodeRecords(batch: Batch, writers: Writers): Batch {
  const { records, transactions, recordOf } = batch
  const { partition, partitions } = batch.owner
  for (let i = 0; i < records.length; i++) {
    const record = records[i]
    const { value } = record
    if (value === null || value.length === 0) {
      reject(batch, record, 'EMPTY_VALUE', 'the record has no value')
      continue
    }
    if (!isFramed(value)) {
      reject(batch, record, 'NOT_FRAMED', 'no zero byte and schema id at the start')
      continue
    }
    const writer = writers.get(value.readUInt32BE(1)) as Writer
    if ('code' in writer) {
      reject(batch, record, writer.code, writer.message)
      continue
    }
    try {
      const tx = writer.read(value)
      const fault = validate(tx, record.timestamp, value)
      if (fault === null) {
        transactions.push(tx)
        recordOf.push(i)
        if (partitions > 0 && partitionOf(tx.account_id, partitions) !== partition) batch.misplaced++
      } else reject(batch, record, fault.code, fault.message)
    } catch (cause) {
      reject(batch, record, 'UNDECODABLE', (cause as Error).message)
    }
  }
  return batch
}

function reject(batch: Batch, record: SourceRecord, code: RejectCode, message: string): void {
  batch.rejects.push({ record, code, message })
}
