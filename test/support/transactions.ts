import type { SourceRecord } from '../../pipeline/errors.ts'
import type { Transaction } from '../../schemas/transaction.ts'

const SECOND = 1000
export const HOUR = 3_600_000
export const DAY = 24 * HOUR
/** An ordinary event time; tests count from here. */
export const NOON = Date.UTC(2026, 10, 24, 12)

let serial = 0

/** An ordinary transaction, with an id of its own, changed as the test needs it. */
export const transaction = (changes: Partial<Transaction> = {}): Transaction => ({
  transaction_id: `t-${++serial}`,
  account_id: 'a-1',
  timestamp: NOON,
  amount: 25_0000,
  currency: 'EUR',
  merchant_id: 'm-1',
  merchant_category: 'Groceries',
  location: 'Lyon',
  channel: 'CARD_PRESENT',
  is_fraud: null,
  ...changes,
})

/** A record as Kafka gives it, written a second after {@link NOON}. */
export const record = (value: Buffer | null, changes: Partial<SourceRecord> = {}): SourceRecord => ({
  offset: 0,
  timestamp: NOON + SECOND,
  key: Buffer.from('a-1'),
  value,
  ...changes,
})
