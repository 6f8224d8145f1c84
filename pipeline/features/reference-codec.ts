import { MerchantStates } from './merchant-fold.ts'
import { cutIntoPieces } from './pieces.ts'
import { COUNTS, ReferenceDay, type ReferenceParts } from './reference-day.ts'

/**
 * A reference as bytes, little-endian, cut into pieces anywhere:
 *
 *     version, day, delay in days, merchants, events, bytes of the names (4 bytes each)
 *     names:   each its length in 4 bytes and UTF-8
 *     columns: one after another as they lie in memory, see columnsOf; the counts last
 */

const VERSION = 1
const HEAD = 6

/** @returns the bytes in pieces, see {@link cutIntoPieces} */
export function encodeReference({ parts }: ReferenceDay): Generator<Buffer> {
  if (parts.counts === null) throw new Error(`the reference of day ${parts.day} was read without its counts`)
  const names = namesToBytes(parts.merchants)
  const { day, delayDays, merchants, events } = parts
  const head = Uint32Array.of(VERSION, day, delayDays, merchants.length, events.length, names.length)
  return cutIntoPieces([head, names, ...columnsOf(parts), parts.counts].map(bytesOf))
}

/**
 * Reads what {@link encodeReference} wrote.
 * @param withCounts false for one that only answers: then it takes a seventh of the memory a merchant
 * @throws RangeError when the bytes are not just those of a reference
 */
export function decodeReference(bytes: Buffer, { withCounts }: { withCounts: boolean }): ReferenceDay {
  if (bytes.length < 4 * HEAD) throw new RangeError('the reference ends in its head')
  const [version, day, delayDays, merchants, events, nameBytes] = Array.from({ length: HEAD }, (_, i) =>
    bytes.readUInt32LE(4 * i),
  )
  if (version !== VERSION) throw new RangeError(`the reference is of version ${version}, not ${VERSION}`)
  const names = bytes.subarray(4 * HEAD, 4 * HEAD + nameBytes)
  const parts: ReferenceParts = {
    day,
    delayDays,
    merchants: namesFromBytes(names, merchants),
    opening: new MerchantStates(merchants),
    sums: new Uint32Array(merchants * 3),
    starts: new Uint32Array(merchants + 1),
    events: new Uint32Array(events),
    counts: withCounts ? new Uint32Array(merchants * COUNTS) : null,
  }
  let at = 4 * HEAD + nameBytes
  for (const column of columnsOf(parts)) at += fill(column, bytes, at)
  if (parts.counts === null) at += merchants * COUNTS * 4
  else at += fill(parts.counts, bytes, at)
  if (at !== bytes.length) throw new RangeError(`the reference has ${bytes.length} bytes instead of ${at}`)
  return new ReferenceDay(parts)
}

type Column = Uint8Array | Uint32Array | Float64Array

const columnsOf = ({ opening, sums, starts, events }: ReferenceParts): Column[] => [
  opening.runFrauds,
  opening.firstFraud,
  opening.slack,
  opening.lastGenuine,
  opening.lastTime,
  opening.lastLabel,
  sums,
  starts,
  events,
]

const bytesOf = (column: Column): Buffer => Buffer.from(column.buffer, column.byteOffset, column.byteLength)

/** @returns the bytes read */
function fill(column: Column, bytes: Buffer, at: number): number {
  if (at + column.byteLength > bytes.length) throw new RangeError('the reference ends in a column')
  bytes.copy(bytesOf(column), 0, at)
  return column.byteLength
}

function namesToBytes(names: string[]): Buffer {
  return Buffer.concat(
    names.flatMap((name) => {
      const length = Buffer.allocUnsafe(4)
      length.writeUInt32LE(Buffer.byteLength(name))
      return [length, Buffer.from(name)]
    }),
  )
}

function namesFromBytes(bytes: Buffer, count: number): string[] {
  let at = 0
  return Array.from({ length: count }, () => {
    const length = bytes.readUInt32LE(at)
    at += 4 + length
    return bytes.toString('utf8', at - length, at)
  })
}
