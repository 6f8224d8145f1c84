import type { AccountRecord } from './account-record.ts'
import { cutIntoPieces } from './pieces.ts'
import type { Rates } from './rates.ts'

/**
 * The accounts' states as bytes, for checkpoints: first the names of the locations, then the accounts one after another.
 * Little-endian; a text is its length in 4 bytes and UTF-8. Cut into pieces anywhere.
 *
 *     locations: number (4 bytes), then a text each
 *     account:   id (text), length of the block in doubles (4 bytes), the block as account-block.ts lays it out
 */

/** Of another version of the code, another lateness or other rates, a checkpoint is of no use: the state is rebuilt. */
export const stateVersion = (latenessMs: number, rates: Rates): string =>
  `5:lateness=${latenessMs}:rates=${rates.version}`

/** @returns the bytes in pieces, see {@link cutIntoPieces} */
export const encodeStates = (locations: string[], accounts: Iterable<AccountRecord>): Generator<Buffer> =>
  cutIntoPieces(records(locations, accounts))

function* records(locations: string[], accounts: Iterable<AccountRecord>): Generator<Buffer> {
  const writer = new Writer()
  writer.uint32(locations.length)
  for (const name of locations) writer.text(name)
  yield writer.take()
  for (const account of accounts) {
    writer.text(account.id)
    writer.doubles(account.block)
    yield writer.take()
  }
}

/**
 * Reads what {@link encodeStates} wrote.
 * @throws RangeError when the pieces end in the middle of a record
 */
export async function decodeStates(
  pieces: AsyncIterable<Buffer>,
  onLocation: (name: string) => void,
  onAccount: (account: AccountRecord) => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0)
  let locations = -1
  for await (const piece of pieces) {
    const reader = new Reader(rest.length === 0 ? piece : Buffer.concat([rest, piece]))
    if (locations === -1) locations = reader.attempt(() => reader.uint32()) ?? -1
    while (locations > 0) {
      const name = reader.attempt(() => reader.text())
      if (name === undefined) break
      onLocation(name)
      locations--
    }
    while (locations === 0) {
      const account = reader.attempt(() => readAccount(reader))
      if (account === undefined) break
      onAccount(account)
    }
    rest = reader.rest()
  }
  if (locations !== 0 || rest.length > 0) throw new RangeError('the state ends in the middle of a record')
}

function readAccount(reader: Reader): AccountRecord {
  const id = reader.text()
  return { id, block: reader.doubles() }
}

class Writer {
  #buffer = Buffer.allocUnsafe(4096)
  #at = 0

  /** What was written since the last time; valid until something else is written. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#at)
    this.#at = 0
    return taken
  }

  uint32(value: number): void {
    this.#reserve(4)
    this.#at = this.#buffer.writeUInt32LE(value, this.#at)
  }

  doubles(values: Float64Array): void {
    this.#reserve(4 + values.byteLength)
    this.#at = this.#buffer.writeUInt32LE(values.length, this.#at)
    // As they lie in memory: all machines that Node runs on are little-endian.
    this.#buffer.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.#at)
    this.#at += values.byteLength
  }

  text(value: string): void {
    this.#reserve(4 + value.length * 3)
    const bytes = this.#buffer.write(value, this.#at + 4)
    this.#buffer.writeUInt32LE(bytes, this.#at)
    this.#at += 4 + bytes
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

class Incomplete extends Error {}

class Reader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** A whole record, or undefined with nothing consumed when the bytes do not hold all of it. */
  attempt<T>(read: () => T): T | undefined {
    const start = this.#at
    try {
      return read()
    } catch (error) {
      if (!(error instanceof Incomplete)) throw error
      this.#at = start
      return undefined
    }
  }

  need(bytes: number): void {
    if (this.#at + bytes > this.#buffer.length) throw new Incomplete()
  }

  rest(): Buffer {
    return this.#buffer.subarray(this.#at)
  }

  uint32(): number {
    this.need(4)
    this.#at += 4
    return this.#buffer.readUInt32LE(this.#at - 4)
  }

  doubles(): Float64Array {
    const bytes = 8 * this.uint32()
    this.need(bytes)
    const values = new Float64Array(bytes / 8)
    new Uint8Array(values.buffer).set(this.#buffer.subarray(this.#at, this.#at + bytes))
    this.#at += bytes
    return values
  }

  text(): string {
    const bytes = this.uint32()
    this.need(bytes)
    this.#at += bytes
    return this.#buffer.toString('utf8', this.#at - bytes, this.#at)
  }
}
