import { FRAME_BYTES, MAGIC } from '../../schemas/wire.ts'
import type { Writers } from './writers.ts'

/** Whether the value names a schema: a zero byte and its id come first. */
export const isFramed = (value: Buffer): boolean => value.length >= FRAME_BYTES && value[0] === MAGIC

export const schemaIdOf = (value: Buffer): number => value.readUInt32BE(1)

/**
 * The schema ids that must be loaded before all records can be decoded.
 * @returns the ids, and the place of the first record that has one of them; the number of records if there is none
 */
export function unknownIds(
  records: readonly { value: Buffer | null }[],
  writers: Pick<Writers, 'knows'>,
): { ids: Set<number>; first: number } {
  const ids = new Set<number>()
  let first = records.length
  let last = -1
  for (let i = 0; i < records.length; i++) {
    const { value } = records[i]
    if (value === null || !isFramed(value)) continue
    const id = schemaIdOf(value)
    if (id === last) continue
    last = id
    if (writers.knows(id)) continue
    if (ids.size === 0) first = i
    ids.add(id)
  }
  return { ids, first }
}
