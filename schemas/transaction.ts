import { readFileSync } from 'node:fs'
import avro from 'avsc'

/**
 * The transaction as both sides know it: the Avro record `weir.Transaction`, with `amount` as an integer.
 * The schema itself is `schemas/avro/transaction.avsc`; the table is `schemas/sql/0001_transactions.sql`.
 */

export const CHANNELS = ['CARD_PRESENT', 'ECOMMERCE', 'ATM', 'TRANSFER', 'OTHER'] as const
export type Channel = (typeof CHANNELS)[number]

export const STATUSES = ['NEW', 'INVESTIGATED', 'FRAUD', 'DISMISSED'] as const
export type Status = (typeof STATUSES)[number]

export interface Transaction {
  transaction_id: string
  account_id: string
  /** Event time, milliseconds since 1970 UTC. */
  timestamp: number
  /** Units of 1/10,000 of the currency: an integer below 10^13, so it is exact in a double. */
  amount: number
  currency: string
  merchant_id: string | null
  merchant_category: string
  location: string
  channel: Channel
  /** A label that the source knew. Scoring never reads it. */
  is_fraud: boolean | null
}

/** Units of `amount` in one unit of the currency. */
export const AMOUNT_UNITS = 10_000

/** "12.3400" for 123400: what PostgreSQL prints for numeric(18,4). */
export function formatAmount(units: number): string {
  const sign = units < 0 ? '-' : ''
  const digits = String(Math.abs(units)).padStart(5, '0')
  return `${sign}${digits.slice(0, -4)}.${digits.slice(-4)}`
}

/**
 * Avro's decimal: a big-endian two's complement integer, read as a number of units.
 * More than 7 bytes may exceed a double's 53 bits; such values are far outside the valid range, so that the
 * rounding cannot make one look valid.
 */
class Decimal extends avro.types.LogicalType {
  protected override _fromValue(bytes: Buffer | undefined): number {
    // Truncated input reaches a logical type as undefined instead of an error (avsc's decode reports it later).
    if (bytes === undefined || bytes.length === 0) throw new Error('decimal without bytes')
    if (bytes.length <= 6) return bytes.readIntBE(0, bytes.length)
    return Number(BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`)))
  }

  protected override _toValue(units: number): Buffer {
    if (!Number.isSafeInteger(units)) throw new Error(`amount is not an integer of 1/10,000: ${units}`)
    let length = 1
    while (length < 7 && (units < -(2 ** (8 * length - 1)) || units >= 2 ** (8 * length - 1))) length++
    const bytes = Buffer.allocUnsafe(length)
    if (length <= 6) bytes.writeIntBE(units, 0, length)
    else {
      bytes.writeInt8(Math.floor(units / 2 ** 48), 0)
      bytes.writeUIntBE(((units % 2 ** 48) + 2 ** 48) % 2 ** 48, 1, 6)
    }
    return bytes
  }

  /** Only a decimal of the same scale may be read as ours: any other would shift every amount silently. */
  protected override _resolve(writer: avro.Type): ((value: unknown) => unknown) | undefined {
    if (writer instanceof Decimal && writer.scale === this.scale) return (value) => value
    return undefined
  }

  readonly scale: number
  constructor(schema: avro.Schema, opts?: unknown) {
    super(schema, opts as never)
    this.scale = (schema as { scale?: number }).scale ?? 0
  }
}

/** avsc's options for our schema and for every writer's: made anew each time, since avsc keeps the names it met in them. */
export const avroOptions = (): avro.ForSchemaOptions =>
  ({ logicalTypes: { decimal: Decimal } }) as unknown as avro.ForSchemaOptions

export const transactionSchemaText = readFileSync(new URL('./avro/transaction.avsc', import.meta.url), 'utf8')

/** Encodes and decodes {@link Transaction}; amounts are units, timestamps are milliseconds. */
export const transactionType = avro.Type.forSchema(JSON.parse(transactionSchemaText), avroOptions())
