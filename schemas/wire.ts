import type avro from 'avsc'

/** Confluent's framing: a zero byte, the schema's id in four bytes big-endian, then the Avro value. */
export const FRAME_BYTES = 5
export const MAGIC = 0

/** The value framed with the id of the schema that wrote it. */
export function frame(schemaId: number, type: avro.Type, value: unknown): Buffer {
  // One buffer: encode behind the header, and again only if it did not fit (avsc returns minus the missing bytes).
  let buffer = Buffer.allocUnsafe(256)
  let end = type.encode(value, buffer, FRAME_BYTES)
  if (end < 0) {
    buffer = Buffer.allocUnsafe(256 - end)
    end = type.encode(value, buffer, FRAME_BYTES)
  }
  buffer[0] = MAGIC
  buffer.writeUInt32BE(schemaId, 1)
  return buffer.subarray(0, end)
}
