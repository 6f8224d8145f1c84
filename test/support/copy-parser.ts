/**
 * Reads PostgreSQL's binary COPY format as its documentation describes it, each field by its column's type.
 * @throws at the first byte that does not follow it
 */

export type Row = Record<string, unknown>

type Reader = (field: Buffer) => unknown

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const text: Reader = (field) => utf8.decode(field)
const sized =
  (bytes: number, read: Reader): Reader =>
  (field) => {
    if (field.length !== bytes) throw new Error(`a field of ${field.length} bytes instead of ${bytes}`)
    return read(field)
  }
const boolean = sized(1, (field) => {
  if (field[0] > 1) throw new Error(`a boolean of ${field[0]}`)
  return field[0] === 1
})
const integer = sized(4, (field) => field.readInt32BE(0))
const bigint = sized(8, (field) => Number(field.readBigInt64BE(0)))
const real = sized(4, (field) => field.readFloatBE(0))
/** Milliseconds since 1970 of microseconds since 2000. */
const timestamp = sized(8, (field) => Number(field.readBigInt64BE(0)) / 1000 + Date.UTC(2000, 0, 1))
const jsonb: Reader = (field) => {
  if (field[0] !== 1) throw new Error(`jsonb of version ${field[0]}`)
  return JSON.parse(utf8.decode(field.subarray(1)))
}

/** Units of 1/10,000, as a BigInt: digits to the base 10,000, the first one times 10,000^weight. */
const numeric: Reader = (field) => {
  const [digits, weight, sign, scale] = [0, 2, 4, 6].map((at) => field.readInt16BE(at))
  if (sign !== 0 || scale !== 4 || digits > 16 || field.length !== 8 + 2 * digits)
    throw new Error('not our numeric')
  let units = 0n
  for (let i = 0; i < digits; i++) {
    const digit = field.readInt16BE(8 + 2 * i)
    if (digit < 0 || digit > 9999) throw new Error(`a digit of ${digit}`)
    units += BigInt(digit) * 10_000n ** BigInt(weight - i + 1)
  }
  return units
}

const COLUMNS: [string, Reader][] = [
  ['transaction_id', text],
  ['account_id', text],
  ['timestamp', timestamp],
  ['amount', numeric],
  ['currency', text],
  ['merchant_id', text],
  ['merchant_category', text],
  ['location', text],
  ['channel', text],
  ['is_fraud', boolean],
  ['amount_ratio', real],
  ['score', real],
  ['is_anomaly', boolean],
  ['alert_reason', text],
  ['reasons', jsonb],
  ['features', jsonb],
  ['status', text],
  ['rules_version', text],
  ['model_version', text],
  ['kafka_partition', integer],
  ['kafka_offset', bigint],
]

/** The columns' names, in order. */
export const columnNames = COLUMNS.map(([name]) => name)

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')

export function parseCopy(bytes: Buffer): Row[] {
  if (!bytes.subarray(0, 11).equals(SIGNATURE)) throw new Error('no signature')
  if (bytes.readInt32BE(11) !== 0 || bytes.readInt32BE(15) !== 0) throw new Error('flags, or a longer header')
  const rows: Row[] = []
  let at = 19
  for (;;) {
    const fields = bytes.readInt16BE(at)
    at += 2
    if (fields === -1) break
    if (fields !== COLUMNS.length) throw new Error(`a row of ${fields} fields`)
    const row: Row = {}
    for (const [name, read] of COLUMNS) {
      const length = bytes.readInt32BE(at)
      at += 4
      if (at + length > bytes.length) throw new Error(`${name} goes past the end`)
      row[name] = length === -1 ? null : read(bytes.subarray(at, at + length))
      at += Math.max(length, 0)
    }
    rows.push(row)
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes after the end`)
  return rows
}
