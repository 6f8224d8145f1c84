import { ANALYST_ORIGIN, type Label, labelType } from '../../schemas/label.ts'
import { DAY } from '../../schemas/time.ts'
import { isFramed, schemaIdOf } from '../decode/schema-ids.ts'
import { FROM, textFault, UNTIL, validId } from '../decode/validate.ts'
import type { Reading, Writers } from '../decode/writers.ts'
import type { SourceRecord } from '../errors.ts'

/** Labels by whatever compatible schema they were written with. There are few of them: avsc is quick enough. */
export const LABELS: Reading<Label> = { ours: labelType, readPlain: () => null }

/**
 * The label in a record, or the reason why there is none. No wall clock: the record's own Kafka time bounds the time
 * known. Whether the transaction is there is not asked: a label may come before it, or after it is deleted.
 * @param writers must know the record's schema id
 */
export function readLabel(record: SourceRecord, writers: Pick<Writers<Label>, 'get'>): Label | string {
  const { value, timestamp } = record
  if (value === null || value.length === 0) return 'the record has no value'
  if (!isFramed(value)) return 'no zero byte and schema id at the start'
  const writer = writers.get(schemaIdOf(value))!
  if ('code' in writer) return `${writer.code}: ${writer.message}`
  try {
    const label = writer.read(value)
    return faultOf(label, timestamp, value) ?? label
  } catch (cause) {
    return `UNDECODABLE: ${(cause as Error).message}`
  }
}

function faultOf(label: Label, recordTimestamp: number, raw: Buffer): string | null {
  const { transaction_id, timestamp, origin, known_at } = label
  if (!validId(transaction_id)) return 'transaction_id must have 1 to 64 bytes'
  if (!validId(origin)) return 'origin must have 1 to 64 bytes'
  if (origin.startsWith(ANALYST_ORIGIN))
    return `origin must not begin with ${ANALYST_ORIGIN}: that is what the API writes`
  if (!isTime(timestamp)) return 'timestamp must be from 2000 to 2199'
  if (!isTime(known_at) || known_at > recordTimestamp + DAY)
    return "known_at must be from 2000-01-01 to a day after the record's own time, and before 2200"
  return textFault([transaction_id, origin], raw)?.message ?? null
}

const isTime = (ms: number): boolean => ms >= FROM && ms < UNTIL
