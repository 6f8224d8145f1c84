import { FEATURE_COUNT } from './features.ts'

/**
 * Arrays for the features of batches, used again: a new one each time would be cleared and paged in by the system, some
 * 400 bytes a transaction, and its memory would drive the garbage collector.
 */
const spare: Float64Array[] = []
const MOST_SPARE = 16
/** One that is so many times longer than asked for stays for larger batches: many small ones wait at a time. */
const MOST_LONGER = 8

/** @returns an array for so many rows, with anything in it */
export function takeRows(rows: number): Float64Array {
  const length = rows * FEATURE_COUNT
  const found = spare.findIndex(({ length: has }) => has >= length && has <= length * MOST_LONGER)
  const [array] = found === -1 ? [new Float64Array(length)] : spare.splice(found, 1)
  return array.length === length ? array : array.subarray(0, length)
}

/** Gives an array back that nobody reads any more. Of more than there is room for the longest stay: who is slow has those. */
export function giveRows(array: Float64Array): void {
  if (array.length === 0) return
  const whole = new Float64Array(array.buffer)
  if (spare.length < MOST_SPARE) {
    spare.push(whole)
    return
  }
  const shortest = spare.reduce((least, { length }, i) => (length < spare[least].length ? i : least), 0)
  if (spare[shortest].length < whole.length) spare[shortest] = whole
}
