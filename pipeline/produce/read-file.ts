import { createReadStream, type ReadStream, statSync } from 'node:fs'
import { addAbortSignal, pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Batch } from './batch.ts'
import type { LineForm, Parsed } from './line-form.ts'
import { parseCsv } from './parse-csv.ts'
import { type ParsedFields, transactionLines } from './parse-fields.ts'
import { parseNdjson } from './parse-ndjson.ts'

/** Bytes read at a time: some 2,000 lines, a batch. */
const CHUNK_BYTES = 256 * 1024

export interface OpenFile<B> {
  batches: AsyncIterable<B>
  /** The share of the file that was read, 0..1; undefined where its size is not known. */
  fraction(): number | undefined
}

export interface FileOptions {
  /** Told about columns that are ignored. */
  warn: (message: string) => void
  /** Ends a read that waits; the batches then throw an AbortError. */
  signal?: AbortSignal
}

/** Opens a file of transactions, as `openFile` does. */
export async function readFile(path: string, options: FileOptions): Promise<OpenFile<Batch>> {
  const { batches, fraction } = await openFile(path, transactionLines, options)
  return { batches: transactionsOf(batches), fraction }
}

async function* transactionsOf(batches: AsyncIterable<Parsed<ParsedFields>>): AsyncGenerator<Batch> {
  for await (const { items, bad } of batches) {
    const rounded = items.filter((item) => item.rounded).length
    yield { transactions: items.map((item) => item.transaction), bad, rounded }
  }
}

/**
 * Opens a file of lines: CSV or NDJSON by its name (.csv, .ndjson, .jsonl), else by its first character; gzip by its
 * first bytes. "-" is the standard input.
 * @throws when it cannot be opened, or is neither; the batches throw when the header cannot be used or the file is
 * damaged
 */
export async function openFile<T extends object>(
  path: string,
  form: LineForm<T>,
  { warn, signal }: FileOptions,
): Promise<OpenFile<Parsed<T>>> {
  const raw: Readable = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES })
  if (signal) addAbortSignal(signal, raw)
  try {
    const { first, all } = await peek(await unzipped(raw))
    const parse = isNdjson(path, first) ? parseNdjson : parseCsv
    return { batches: withPath(path, parse(all, form, warn)), fraction: fractionOf(path, raw) }
  } catch (error) {
    raw.destroy()
    throw withCause(path, error)
  }
}

/** Errors on the way name the file. */
async function* withPath<B>(path: string, batches: AsyncIterable<B>): AsyncGenerator<B> {
  try {
    yield* batches
  } catch (error) {
    throw withCause(path, error)
  }
}

function withCause(path: string, cause: unknown): unknown {
  const { name, message } = cause as Error
  return name === 'AbortError' ? cause : new Error(`cannot read ${path}: ${message}`, { cause })
}

async function unzipped(raw: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const { first, all } = await peek(raw)
  if (first[0] !== 0x1f || first[1] !== 0x8b) return all
  // Errors reach the reader: they destroy the stream that it iterates.
  return pipeline(all, createGunzip({ chunkSize: CHUNK_BYTES }), () => {})
}

/** The first chunk, empty at the end, and all chunks with it. */
async function peek(bytes: AsyncIterable<Buffer>): Promise<{ first: Buffer; all: AsyncIterable<Buffer> }> {
  const iterator = bytes[Symbol.asyncIterator]()
  const { value: first = Buffer.alloc(0) } = await iterator.next()
  async function* all(): AsyncGenerator<Buffer> {
    yield first
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  return { first, all: all() }
}

function isNdjson(path: string, start: Buffer): boolean {
  const name = path.toLowerCase().replace(/\.gz$/, '')
  if (name.endsWith('.csv')) return false
  if (name.endsWith('.ndjson') || name.endsWith('.jsonl')) return true
  const first = /^\ufeff?\s*([{[])/.exec(start.subarray(0, 100).toString('utf8'))?.[1]
  if (first === '[')
    throw new Error("it holds a JSON array; expected an object a line (NDJSON), as `jq -c '.[]'` writes them")
  return first === '{'
}

function fractionOf(path: string, raw: Readable): () => number | undefined {
  const size = path === '-' ? 0 : statSync(path).size
  return () => (size === 0 ? undefined : (raw as ReadStream).bytesRead / size)
}
