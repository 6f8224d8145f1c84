import type { Batch } from '../batch.ts'
import { isFramed, schemaIdOf, unknownIds } from '../decode/schema-ids.ts'
import { validate } from '../decode/validate.ts'
import type { Writer, Writers } from '../decode/writers.ts'
import type { RejectCode, SourceRecord } from '../errors.ts'
import { partitionOf } from '../produce/partitioner.ts'

/**
 * From bytes to transactions. What cannot be decoded, or is not valid, is among the batch's rejects. The source loads the
 * schemas, so that only their partition waits; here is loaded what was forgotten since.
 */
export function decode(writers: Writers): (batch: Batch) => Batch | Promise<Batch> {
  return function decodeBatch(batch): Batch | Promise<Batch> {
    const { ids } = unknownIds(batch.records, writers)
    if (ids.size === 0) return decodeRecords(batch, writers)
    // Looked at again: while these were loaded others may have been forgotten.
    return writers.load(ids).then(() => decodeBatch(batch))
  }
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
    const writer = writers.get(schemaIdOf(value)) as Writer
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
