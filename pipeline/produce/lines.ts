import { isUtf8 } from 'node:buffer'

/** One physical line of a file. */
export interface Line {
  /** From 1. */
  number: number
  /** Without its end. */
  text: string
  /** "\n", "\r\n", or "" at the end of the file. */
  end: string
  /** Why the line cannot be read at all; its text is then empty. */
  fault?: string
}

/**
 * Bytes of a line, at most. Its record, which holds account_id twice (as the key, too), then stays below the
 * 1 MiB that Kafka takes by default, and memory is bounded whatever the file.
 */
export const MAX_LINE_BYTES = 500_000

const LF = 0x0a
const TOO_LONG = `is longer than ${MAX_LINE_BYTES} bytes`
const NOT_UTF8 = 'is not valid UTF-8'

/** Cuts a stream of bytes into lines; each chunk's lines together. A byte order mark at the start is left out. */
export async function* readLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  let number = 0
  let rest: Buffer = Buffer.alloc(0)
  let skipping = false
  let first = true
  for await (const chunk of bytes) {
    let block = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (first && block.length < 3) {
      rest = block
      continue
    }
    if (first) block = withoutMark(block)
    first = false
    const end = block.lastIndexOf(LF) + 1
    const lines = end === 0 ? [] : split(block.subarray(0, end), number)
    if (skipping && lines.length > 0) {
      lines[0] = { number: number + 1, text: '', end: '\n', fault: TOO_LONG }
      skipping = false
    }
    number += lines.length
    rest = block.subarray(end)
    if (skipping || rest.length > MAX_LINE_BYTES) {
      skipping = true
      rest = rest.subarray(0, 0)
    }
    if (lines.length > 0) yield lines
  }
  if (first) rest = withoutMark(rest)
  if (skipping) yield [{ number: number + 1, text: '', end: '', fault: TOO_LONG }]
  else if (rest.length > 0) yield split(rest, number)
}

const withoutMark = (block: Buffer): Buffer =>
  block[0] === 0xef && block[1] === 0xbb && block[2] === 0xbf ? block.subarray(3) : block

/** The lines of a block that ends with a line's end or with the file. */
function split(block: Buffer, before: number): Line[] {
  const closed = block.at(-1) === LF
  const texts = isUtf8(block) ? block.toString('utf8').split('\n') : splitBytes(block)
  if (closed) texts.pop()
  return texts.map((text, i) => {
    const number = before + i + 1
    if (text === null) return { number, text: '', end: '\n', fault: NOT_UTF8 }
    if (text.length > MAX_LINE_BYTES / 4 && Buffer.byteLength(text) > MAX_LINE_BYTES) {
      return { number, text: '', end: '\n', fault: TOO_LONG }
    }
    const lineEnd = closed || i < texts.length - 1 ? '\n' : ''
    return text.endsWith('\r')
      ? { number, text: text.slice(0, -1), end: `\r${lineEnd}` }
      : { number, text, end: lineEnd }
  })
}

/** The lines' texts, null for each that is not UTF-8. */
function splitBytes(block: Buffer): (string | null)[] {
  const texts: (string | null)[] = []
  let from = 0
  for (let at = block.indexOf(LF); from <= block.length; at = block.indexOf(LF, from)) {
    const line = block.subarray(from, at < 0 ? block.length : at)
    texts.push(isUtf8(line) ? line.toString('utf8') : null)
    from += line.length + 1
  }
  return texts
}
