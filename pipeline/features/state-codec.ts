/**
 * The accounts' states as bytes, for checkpoints: first the names of the locations, then the accounts one after another.
 * Little-endian; a text is its length in 4 bytes and UTF-8. Cut into pieces anywhere.
 *
 *     locations: number (4 bytes), then a text each
 *     account:   id (text), count, mean, m2, newest (doubles), events, locations (4 bytes each),
 *                then events of time and amount in units (doubles), then locations of number (4 bytes) and count (double)
 */

/** Of another version of the code or another lateness, a checkpoint is of no use: the state is rebuilt. */
export const stateVersion = (latenessMs: number): string => `2:lateness=${latenessMs}`

const PIECE_BYTES = 1024 * 1024

/** One account, apart from how it is kept in memory. */
export interface AccountRecord {
  id: string
  count: number
  mean: number
  m2: number
  newest: number
  /** Time and amount in units of each event, in the order of time. */
  events: number[]
  /** Number and count of each location. */
  locations: number[]
}

/** @returns the bytes in pieces of {@link PIECE_BYTES}, the last one shorter; each is valid until the next is asked for */
export function* encodeStates(locations: string[], accounts: Iterable<AccountRecord>): Generator<Buffer> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES)
  let used = 0
  for (const record of records(locations, accounts)) {
    for (let from = 0; from < record.length; ) {
      const copied = record.copy(piece, used, from)
      used += copied
      from += copied
      if (used === PIECE_BYTES) {
        yield piece
        used = 0
      }
    }
  }
  if (used > 0) yield piece.subarray(0, used)
}

function* records(locations: string[], accounts: Iterable<AccountRecord>): Generator<Buffer> {
  const writer = new Writer()
  writer.uint32(locations.length)
  for (const name of locations) writer.text(name)
  yield writer.take()
  for (const account of accounts) {
    writer.text(account.id)
    writer.double(account.count)
    writer.double(account.mean)
    writer.double(account.m2)
    writer.double(account.newest)
    writer.uint32(account.events.length / 2)
    writer.uint32(account.locations.length / 2)
    for (const number of account.events) writer.double(number)
    for (let i = 0; i < account.locations.length; i += 2) {
      writer.uint32(account.locations[i])
      writer.double(account.locations[i + 1])
    }
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
  const [count, mean, m2, newest] = [reader.double(), reader.double(), reader.double(), reader.double()]
  const [eventCount, locationCount] = [reader.uint32(), reader.uint32()]
  reader.need(eventCount * 16 + locationCount * 12)
  const events: number[] = []
  for (let i = 0; i < 2 * eventCount; i++) events.push(reader.double())
  const locations: number[] = []
  for (let i = 0; i < locationCount; i++) locations.push(reader.uint32(), reader.double())
  return { id, count, mean, m2, newest, events, locations }
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

  double(value: number): void {
    this.#reserve(8)
    this.#at = this.#buffer.writeDoubleLE(value, this.#at)
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

  double(): number {
    this.need(8)
    this.#at += 8
    return this.#buffer.readDoubleLE(this.#at - 8)
  }

  text(): string {
    const bytes = this.uint32()
    this.need(bytes)
    this.#at += bytes
    return this.#buffer.toString('utf8', this.#at - bytes, this.#at)
  }
}
