import type { StreamEvent } from './events.ts'

/** Bytes that wait in this process for one client, at most, beside what its socket holds. */
const MAX_QUEUED = 256 * 1024
/** Bytes handed over at once, unless one event is larger. */
const CHUNK_BYTES = 64 * 1024
/** How long a client that catches up may take nothing. */
const PATIENCE_MS = 30_000
/** How long the end of a stream may take. */
const END_MS = 1000

interface ClientOptions {
  /** Least score of the anomalies that it wants, 0..1. */
  minScore: number
  /** Cuts its connection. */
  destroy?: () => void
  /** Called once when it is gone, however that came about. */
  onGone: () => void
  onDropped: () => void
}

/** One client of the stream: bytes on their way to it, bounded. */
export class StreamClient {
  readonly minScore: number
  /** The body of the answer. */
  readonly body: ReadableStream<Uint8Array>
  isGone = false
  readonly #options: ClientOptions
  #controller!: ReadableStreamDefaultController<Uint8Array>
  #roomWanted: (() => void)[] = []

  constructor(options: ClientOptions) {
    this.#options = options
    this.minScore = Math.fround(options.minScore)
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => this.#tellRoom(),
        cancel: () => this.#leave(),
      },
      { highWaterMark: MAX_QUEUED, size: (chunk) => chunk!.byteLength },
    )
  }

  /**
   * Hands bytes over; a client that has not taken earlier ones in time is dropped. The bytes may be shared.
   * @returns false when the client is gone
   */
  send(bytes: Uint8Array): boolean {
    if (this.isGone) return false
    if (bytes.byteLength === 0) return true
    // An event that is larger than the bound by itself goes to who has taken everything before it.
    if (this.#controller.desiredSize! < Math.min(bytes.byteLength, MAX_QUEUED)) {
      this.#drop()
      return false
    }
    this.#controller.enqueue(bytes)
    return true
  }

  /** Resolves when a chunk can be handed over, or the client is gone: one that takes nothing for long is dropped. */
  async room(): Promise<void> {
    while (!this.isGone && this.#controller.desiredSize! < MAX_QUEUED - CHUNK_BYTES) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#roomWanted.push(resolve)
      const timer = setTimeout(() => this.#drop(), PATIENCE_MS)
      await promise
      clearTimeout(timer)
    }
  }

  /** Ends the stream; it may be opened anew. */
  end(): void {
    if (this.isGone) return
    this.#controller.close()
    // Who does not read what is on its way would keep a process that wants to stop.
    const { destroy } = this.#options
    if (destroy !== undefined) setTimeout(destroy, END_MS).unref()
    this.#leave()
  }

  #drop(): void {
    if (this.isGone) return
    this.#options.onDropped()
    if (this.#options.destroy === undefined) this.#controller.error(new Error('the client reads too slowly'))
    else this.#options.destroy()
    this.#leave()
  }

  #leave(): void {
    if (this.isGone) return
    this.isGone = true
    this.#tellRoom()
    this.#options.onGone()
  }

  #tellRoom(): void {
    const wanted = this.#roomWanted
    this.#roomWanted = []
    for (const resolve of wanted) resolve()
  }
}

/** Cuts events into runs that are handed over at once. */
export function chunksOf(events: readonly StreamEvent[]): StreamEvent[][] {
  const chunks: StreamEvent[][] = []
  let size = Number.POSITIVE_INFINITY
  for (const event of events) {
    if (size + event.bytes.length > CHUNK_BYTES) {
      chunks.push([])
      size = 0
    }
    chunks.at(-1)!.push(event)
    size += event.bytes.length
  }
  return chunks
}
