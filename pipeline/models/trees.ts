import { z } from 'zod'

/**
 * Binary trees in flat arrays: node k compares an input with a threshold; its children are left[k] and left[k] + 1.
 * A leaf has the input LEAF and, as its threshold, its value.
 */
export interface Trees {
  /** First node of each tree. */
  roots: Uint32Array
  input: Uint8Array
  threshold: Float64Array
  left: Uint32Array
}

export const LEAF = 255

/** Whether every walk through the trees stays inside the arrays and ends: children stand behind their parent. */
export function areSound({ roots, input, threshold, left }: Trees, width: number): boolean {
  const nodes = input.length
  const isNode = (column: number, node: number) =>
    column === LEAF || (column < width && left[node] > node && left[node] + 1 < nodes)
  return (
    roots.length > 0 &&
    threshold.length === nodes &&
    left.length === nodes &&
    roots.every((root) => root < nodes) &&
    threshold.every(Number.isFinite) &&
    input.every(isNode)
  )
}

/** The arrays as they are stored: base64 of little-endian numbers. */
export const packedTrees = z.object({
  roots: z.string(),
  input: z.string(),
  threshold: z.string(),
  left: z.string(),
})

export const packTrees = ({ roots, input, threshold, left }: Trees): z.infer<typeof packedTrees> => ({
  roots: base64(roots),
  input: base64(input),
  threshold: base64(threshold),
  left: base64(left),
})

export const unpackTrees = (packed: z.infer<typeof packedTrees>): Trees => ({
  roots: new Uint32Array(bytes(packed.roots, 4).buffer),
  input: bytes(packed.input, 1),
  threshold: new Float64Array(bytes(packed.threshold, 8).buffer),
  left: new Uint32Array(bytes(packed.left, 4).buffer),
})

export const base64 = (array: ArrayBufferView): string =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64')

/** @param size bytes of a number; one that is cut off is dropped */
export function bytes(text: string, size: number): Uint8Array<ArrayBuffer> {
  // Copied, since a typed array of 8-byte numbers must start at a multiple of 8.
  const all = Uint8Array.from(Buffer.from(text, 'base64'))
  return all.slice(0, all.length - (all.length % size))
}
