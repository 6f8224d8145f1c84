import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { Batch } from '../batch.ts'
import { F, FEATURE_COUNT } from '../features/features.ts'

/**
 * Rows of `transactions` in PostgreSQL's binary COPY format
 * (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format").
 */

export const COLUMNS = [
  'transaction_id',
  'account_id',
  'timestamp',
  'amount',
  'currency',
  'merchant_id',
  'merchant_category',
  'location',
  'channel',
  'is_fraud',
  'amount_ratio',
  'score',
  'is_anomaly',
  'alert_reason',
  'reasons',
  'features',
  'status',
  'rules_version',
  'model_version',
  'kafka_partition',
  'kafka_offset',
] as const

const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
/** PostgreSQL counts microseconds from 2000-01-01. */
const EPOCH_2000 = Date.UTC(2000, 0, 1)
/** Bytes of a row beside its texts, generously. So many stay free behind each text, so that columns of fixed size need not ask. */
const FIXED_BYTES = 256
const CHUNK = 256 * 1024

/** Encodes batches into a buffer that is used again: the chunks are valid until the next call. */
export class CopyEncoder {
  #buffer = Buffer.allocUnsafe(4 * 1024 * 1024)
  #at = 0
  #quietTail: Buffer = Buffer.alloc(0)
  #commonTail: Buffer = Buffer.alloc(0)
  readonly #rulesVersion: string
  readonly #modelVersion: string

  constructor(rulesVersion: string, modelVersion: string) {
    this.#rulesVersion = rulesVersion
    this.#modelVersion = modelVersion
  }

  /** @returns the batches' rows as pieces of 256 KiB, large because each is sent by itself */
  encode(batches: readonly Batch[]): Buffer[] {
    HEADER.copy(this.#buffer)
    this.#at = HEADER.length
    for (const batch of batches) {
      this.#makeTails(batch.owner.partition)
      for (let row = 0; row < batch.transactions.length; row++) this.#row(batch, row)
    }
    this.#reserve(2)
    this.#at = this.#buffer.writeInt16BE(-1, this.#at)
    const chunks: Buffer[] = []
    for (let from = 0; from < this.#at; from += CHUNK) {
      chunks.push(this.#buffer.subarray(from, Math.min(from + CHUNK, this.#at)))
    }
    return chunks
  }

  #row(batch: Batch, row: number): void {
    const tx = batch.transactions[row]
    const anomaly = batch.anomalies.get(row)
    this.#reserve(FIXED_BYTES)
    this.#at = this.#buffer.writeInt16BE(COLUMNS.length, this.#at)
    this.#text(tx.transaction_id)
    this.#text(tx.account_id)
    this.#timestamp(tx.timestamp)
    this.#numeric(tx.amount)
    this.#text(tx.currency)
    this.#text(tx.merchant_id)
    this.#text(tx.merchant_category)
    this.#text(tx.location)
    this.#text(tx.channel)
    this.#boolean(tx.is_fraud)
    this.#float4(batch.features[row * FEATURE_COUNT + F.amount_ratio])
    this.#float4(batch.scores[row])
    if (anomaly === undefined) this.#append(this.#quietTail)
    else {
      this.#boolean(true)
      this.#text(anomaly.reasons[0].code)
      this.#jsonb(anomaly.reasons)
      this.#jsonb(anomaly.features)
      this.#text('NEW')
      this.#append(this.#commonTail)
    }
    this.#int8(batch.records[batch.recordOf[row]].offset)
  }

  /** What most rows of a batch end with, but for their offset: encoded once. */
  #makeTails(partition: number): void {
    this.#reserve(FIXED_BYTES + 3 * (this.#rulesVersion.length + this.#modelVersion.length))
    const from = this.#at
    this.#boolean(false)
    for (let column = 0; column < 4; column++) this.#null()
    const versions = this.#at
    this.#text(this.#rulesVersion)
    this.#text(this.#modelVersion)
    this.#int4(partition)
    this.#quietTail = Buffer.from(this.#buffer.subarray(from, this.#at))
    this.#commonTail = this.#quietTail.subarray(versions - from)
    this.#at = from
  }

  #append(bytes: Buffer): void {
    this.#reserve(bytes.length + FIXED_BYTES)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }

  #null(): void {
    this.#at = this.#buffer.writeInt32BE(-1, this.#at)
  }

  #text(value: string | null): void {
    if (value === null) {
      this.#null()
      return
    }
    const length = value.length
    this.#reserve(length * 3 + FIXED_BYTES)
    const buffer = this.#buffer
    const at = this.#at + 4
    // Most texts are short ASCII: copying them here costs less than a call into the runtime.
    let i = 0
    if (length <= 64) {
      for (; i < length; i++) {
        const unit = value.charCodeAt(i)
        if (unit >= 0x80) break
        buffer[at + i] = unit
      }
    }
    const bytes = i === length ? length : buffer.write(value, at)
    buffer.writeInt32BE(bytes, this.#at)
    this.#at = at + bytes
  }

  #jsonb(value: object): void {
    // Version 1 of jsonb's binary form is a byte and the text.
    const text = `\x01${JSON.stringify(value)}`
    this.#text(text)
  }

  #boolean(value: boolean | null): void {
    if (value === null) {
      this.#null()
      return
    }
    this.#at = this.#buffer.writeInt32BE(1, this.#at)
    this.#buffer[this.#at++] = value ? 1 : 0
  }

  #int4(value: number): void {
    this.#at = this.#buffer.writeInt32BE(4, this.#at)
    this.#at = this.#buffer.writeInt32BE(value, this.#at)
  }

  #int8(value: number): void {
    this.#at = this.#buffer.writeInt32BE(8, this.#at)
    this.#at = this.#buffer.writeInt32BE(Math.floor(value / 2 ** 32), this.#at)
    this.#at = this.#buffer.writeUInt32BE(value % 2 ** 32, this.#at)
  }

  /** @param value NaN for none */
  #float4(value: number): void {
    if (Number.isNaN(value)) {
      this.#null()
      return
    }
    this.#at = this.#buffer.writeInt32BE(4, this.#at)
    this.#at = this.#buffer.writeFloatBE(value, this.#at)
  }

  #timestamp(ms: number): void {
    this.#int8((ms - EPOCH_2000) * 1000)
  }

  /**
   * numeric(18,4): digits to the base 10,000, the first one with the weight, and the scale. A unit of the amount is
   * just the last such digit. At most 13 decimal digits, so four digits to the base 10,000.
   */
  #numeric(units: number): void {
    const fraction = units % AMOUNT_UNITS
    let rest = Math.floor(units / AMOUNT_UNITS)
    let whole = 0
    for (let r = rest; r > 0; r = Math.floor(r / 10_000)) whole++
    const buffer = this.#buffer
    buffer.writeInt32BE(8 + 2 * (whole + 1), this.#at)
    buffer.writeInt16BE(whole + 1, this.#at + 4)
    buffer.writeInt16BE(whole - 1, this.#at + 6)
    buffer.writeInt16BE(0, this.#at + 8) // the sign: valid amounts are not negative
    buffer.writeInt16BE(4, this.#at + 10)
    for (let i = whole - 1; i >= 0; i--) {
      buffer.writeInt16BE(rest % 10_000, this.#at + 12 + 2 * i)
      rest = Math.floor(rest / 10_000)
    }
    buffer.writeInt16BE(fraction, this.#at + 12 + 2 * whole)
    this.#at += 14 + 2 * whole
  }
}
