import { once } from 'node:events'
import { createReadStream, type ReadStream, statSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Batch } from './batch.ts'
import { parseCsv } from './parse-csv.ts'
import { parseNdjson } from './parse-ndjson.ts'

/** Bytes read at a time: some 2,000 lines, a batch. */
const CHUNK_BYTES = 256 * 1024

export interface TransactionFile {
  batches: AsyncIterable<Batch>
  /** The share of the file that was read, 0..1; undefined where its size is not known. */
  fraction(): number | undefined
}

export interface FileOptions {
  /** Told about columns that are ignored. */
  warn: (message: string) => void
  /** Ends a read that waits; the batches then throw an AbortError. */
  signal?: AbortSignal
}

/**
 * Opens a file of transactions: CSV or NDJSON by its name (.csv, .ndjson, .jsonl), else by its first character;
 * gzip by its first bytes. "-" is the standard input.
 * @throws when it cannot be opened; the batches throw when the header cannot be used or the file is damaged
 */
export async function readFile(path: string, { warn, signal }: FileOptions): Promise<TransactionFile> {
  const raw = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES })
  if (signal) addAbortSignal(signal, raw)
  try {
    const content = await unzipped(raw)
    const parse = isNdjson(path, await firstBytes(content)) ? parseNdjson : parseCsv
    return { batches: withPath(path, parse(content, warn)), fraction: fractionOf(path, raw) }
  } catch (error) {
    throw about(path, error)
  }
}

async function* withPath(path: string, batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  try {
    yield* batches
  } catch (error) {
    throw about(path, error)
  }
}

const about = (path: string, cause: unknown): Error =>
  new Error(`cannot read ${path}: ${(cause as Error).message}`, { cause })

async function unzipped(raw: Readable): Promise<Readable> {
  const start = await firstBytes(raw)
  if (start[0] !== 0x1f || start[1] !== 0x8b) return raw
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES })
  raw.on('error', (error) => gunzip.destroy(error))
  return raw.pipe(gunzip)
}

/** The stream's first chunk, which stays in the stream; empty at its end. */
async function firstBytes(stream: Readable): Promise<Buffer> {
  await once(stream, 'readable')
  const chunk: Buffer | null = stream.read()
  if (chunk === null) return Buffer.alloc(0)
  stream.unshift(chunk)
  return chunk
}

function isNdjson(path: string, start: Buffer): boolean {
  const name = path.toLowerCase().replace(/\.gz$/, '')
  if (name.endsWith('.csv')) return false
  if (name.endsWith('.ndjson') || name.endsWith('.jsonl')) return true
  return /^\ufeff?\s*\{/.test(start.subarray(0, 100).toString('utf8'))
}

function fractionOf(path: string, raw: Readable): () => number | undefined {
  const size = path === '-' ? 0 : statSync(path).size
  return () => (size === 0 ? undefined : (raw as ReadStream).bytesRead / size)
}
