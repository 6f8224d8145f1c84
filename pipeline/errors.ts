/**
 * Why a record went to the dead-letter topic instead of the table. A closed list: each code stands in the record's
 * `weir-code` header and in a metric's label.
 */
export const REJECT_CODES = {
  EMPTY_VALUE: 'The record has no value. Producers must not send tombstones to the transactions topic.',
  NOT_FRAMED: "The value does not start with a zero byte and a schema id. Use Confluent's framing.",
  UNKNOWN_SCHEMA: 'The registry does not know the schema id. Register the schema before producing with it.',
  INCOMPATIBLE_SCHEMA:
    "The writer's schema cannot be read as weir.Transaction. Keep the subject BACKWARD compatible.",
  UNDECODABLE: "The bytes do not follow the writer's schema: truncated, too long or corrupt.",
  INVALID_TEXT: 'A text holds a NUL character or is not UTF-8. PostgreSQL cannot store it as text.',
  INVALID_ID: 'transaction_id or account_id is empty or longer than 64 bytes.',
  INVALID_AMOUNT: 'The amount is negative or 10^9 or more.',
  INVALID_CURRENCY: 'The currency is not three letters.',
  INVALID_TIMESTAMP:
    "The event time is not from 2000 to 2199, or more than a day after the record's own Kafka time.",
  CONFLICT: 'Another transaction with the same id and event time, and another content, was stored before.',
  CONSTRAINT: 'PostgreSQL refused this very row. The message names the constraint.',
  INVALID_LABEL: 'A record of the labels topic that cannot be read as weir.Label, or is no valid label.',
} as const
export type RejectCode = keyof typeof REJECT_CODES

/** A record that cannot be processed: what the dead-letter topic gets beside the original. */
export interface Reject {
  record: SourceRecord
  code: RejectCode
  message: string
}

/** A record as Kafka gave it. */
export interface SourceRecord {
  offset: number
  /** The record's own time in Kafka, milliseconds. */
  timestamp: number
  key: Buffer | null
  value: Buffer | null
  headers?: Record<string, Buffer | string | (Buffer | string)[] | undefined>
}

/** A stored state that cannot be read: it is rebuilt. */
export class DamagedCheckpoint extends Error {
  override name = 'DamagedCheckpoint'
}

/** Something that no retry mends: the process must stop and say so. */
export class FatalError extends Error {
  override readonly name = 'FatalError'
}
