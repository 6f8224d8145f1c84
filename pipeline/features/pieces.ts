const PIECE_BYTES = 1024 * 1024

/** Cuts bytes anywhere into pieces of 1 MiB, the last one shorter. @param parts used before the next one is asked for */
export function* cutIntoPieces(parts: Iterable<Buffer>): Generator<Buffer> {
  let piece = Buffer.allocUnsafe(PIECE_BYTES)
  let used = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const copied = part.copy(piece, used, from)
      from += copied
      used += copied
      if (used < PIECE_BYTES) continue
      yield piece
      piece = Buffer.allocUnsafe(PIECE_BYTES)
      used = 0
    }
  }
  if (used > 0) yield piece.subarray(0, used)
}
