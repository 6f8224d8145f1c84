import type avro from 'avsc'

/**
 * avsc believes the item counts of arrays and maps: five bytes that claim a billion nulls are decoded to a billion
 * items, and past the end of the bytes it goes on; where it skips a block, it jumps by the size that the block states,
 * backwards too, for ever. Our own schema has neither; a writer's newer one may. For such writers counts and sizes are
 * checked against the bytes before decoding.
 */

interface Cursor {
  bytes: Buffer
  at: number
  /** Items of all arrays and maps so far. */
  items: number
}

/** Whether values of the type have item counts. */
export function hasUnboundedParts(type: avro.Type, seen = new Set<avro.Type>()): boolean {
  if (seen.has(type)) return false
  seen.add(type)
  return (
    type.typeName === 'array' ||
    type.typeName === 'map' ||
    parts(type).some((part) => hasUnboundedParts(part, seen))
  )
}

/** Whether the value from `at` on has, in all arrays and maps, no more items than there are bytes, and true sizes. */
export function itemCountsFit(type: avro.Type, bytes: Buffer, at: number): boolean {
  try {
    skip(type, { bytes, at, items: 0 })
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

function parts(type: avro.Type): avro.Type[] {
  const t = type as avro.types.RecordType & avro.types.UnwrappedUnionType & avro.types.LogicalType
  if (t.typeName === 'record' || t.typeName === 'error') return t.fields.map((field) => field.type)
  if (t.typeName.startsWith('union')) return t.types
  if (t.typeName.startsWith('logical:')) return [t.underlyingType]
  return []
}

function skip(type: avro.Type, cursor: Cursor): void {
  const name = type.typeName
  if (name === 'null') return
  if (name === 'array') skipBlocks(cursor, () => skip((type as avro.types.ArrayType).itemsType, cursor))
  else if (name === 'map') {
    skipBlocks(cursor, () => {
      advance(cursor, long(cursor))
      skip((type as avro.types.MapType).valuesType, cursor)
    })
  } else if (name.startsWith('union')) {
    const branch = parts(type)[long(cursor)]
    if (branch === undefined) throw new RangeError('no such branch')
    skip(branch, cursor)
  } else if (name === 'int' || name === 'long' || name === 'enum') long(cursor)
  else if (name === 'string' || name === 'bytes') advance(cursor, long(cursor))
  else if (name === 'boolean') advance(cursor, 1)
  else if (name === 'float') advance(cursor, 4)
  else if (name === 'double') advance(cursor, 8)
  else if (name === 'fixed') advance(cursor, (type as avro.types.FixedType).size)
  else for (const part of parts(type)) skip(part, cursor)
}

function skipBlocks(cursor: Cursor, item: () => void): void {
  for (let count = long(cursor); count !== 0; count = long(cursor)) {
    const size = count < 0 ? long(cursor) : null
    const start = cursor.at
    cursor.items += Math.abs(count)
    // An item may have no bytes at all (null): such arrays are bounded by the record's size all the same.
    if (cursor.items > cursor.bytes.length) throw new RangeError('more items than bytes')
    for (let i = Math.abs(count); i > 0; i--) item()
    if (size !== null && size !== cursor.at - start)
      throw new RangeError('a block of another size than stated')
  }
}

function advance(cursor: Cursor, bytes: number): void {
  if (bytes < 0 || cursor.at + bytes > cursor.bytes.length) throw new RangeError('past the end')
  cursor.at += bytes
}

/** A zigzag varint of up to ten bytes. */
function long(cursor: Cursor): number {
  let value = 0
  let factor = 1
  for (let i = 0; i < 10; i++) {
    advance(cursor, 1)
    const byte = cursor.bytes[cursor.at - 1]
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    factor *= 128
  }
  throw new RangeError('an integer of more than ten bytes')
}
