import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from '../../schemas/log.ts'
import { listen } from '../listener.ts'
import type { Query } from '../sql/database.ts'
import { readHead } from '../sql/stream.ts'
import { chunksOf, type StreamClient } from './client.ts'
import { type Cursor, covers } from './cursor.ts'
import { heartbeat, readPage, resetEvent, type StreamEvent } from './events.ts'
import type { StreamMetrics } from './metrics.ts'
import { selector } from './selection.ts'

export interface FeedDeps {
  query: Query
  /** A connection for notifications, not yet connected. */
  connect: () => pg.Client
  metrics: StreamMetrics
  log: Logger
}

/** Channels of migration 0017, and the lock by which the pipeline's lanes know that somebody listens. */
const LISTEN = `SELECT pg_advisory_lock_shared(hashtext('weir.stream')); LISTEN weir_anomalies; LISTEN weir_statuses`
/** A transaction that found nobody listening commits within this time, but for a rare one. */
const SETTLED_MS = 1000
/** Notifications that come within this time are one look. */
const LOOK_GAP_MS = 50
const RETRY_MS = 1000
export const HEARTBEAT_MS = 15_000

/**
 * What is new, read once and written to all clients that are at its cursor. The cursor moves together with what is written,
 * without a pause in between: a client that has everything before it may join and misses nothing.
 */
export class Feed {
  cursor: Cursor
  readonly #deps: FeedDeps
  readonly #clients = new Set<StreamClient>()
  readonly #end = new AbortController()
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #lastLook = Number.NEGATIVE_INFINITY
  #retry: NodeJS.Timeout | undefined
  #isFailing = false

  /** @throws what the query throws when the database does not answer */
  static async open(deps: FeedDeps): Promise<Feed> {
    return new Feed(deps, await readHead(deps.query))
  }

  private constructor(deps: FeedDeps, head: Cursor) {
    this.#deps = deps
    this.cursor = head
    const { signal } = this.#end
    void listen({
      connect: deps.connect,
      listen: LISTEN,
      onNews: () => this.#wake(),
      onListening: () => this.#wakeNowAndSettled(),
      what: 'the stream',
      log: deps.log,
      signal,
    })
    const timer = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
    signal.addEventListener('abort', () => clearInterval(timer))
  }

  /** Everything from the cursor on goes to this client, too. */
  join(client: StreamClient): void {
    this.#clients.add(client)
  }

  leave(client: StreamClient): void {
    this.#clients.delete(client)
  }

  close(): void {
    this.#end.abort()
    clearTimeout(this.#retry)
  }

  /**
   * Resolves when the cursor is behind everything that was committed before the call.
   * @throws what the query throws
   */
  look(): Promise<void> {
    // A look that runs may have asked before: so it is the next one, which all who wait share.
    this.#next ??= this.#lookAfter(this.#current)
    return this.#next
  }

  async #lookAfter(current: Promise<void>): Promise<void> {
    await current.catch(() => {})
    const wait = this.#lastLook + LOOK_GAP_MS - performance.now()
    if (wait > 0) await sleep(wait)
    this.#current = this.#next!
    this.#next = undefined
    try {
      await this.#readNews()
    } finally {
      this.#lastLook = performance.now()
    }
  }

  #wake(): void {
    if (this.#end.signal.aborted) return
    this.look().then(
      () => {
        this.#isFailing = false
      },
      (error: Error) => this.#retryLater(error),
    )
  }

  /** Lanes that were just about to commit when the connection came did not know of it. */
  #wakeNowAndSettled(): void {
    this.#wake()
    setTimeout(() => this.#wake(), SETTLED_MS).unref()
  }

  #retryLater(error: Error): void {
    if (this.#end.signal.aborted) return
    // Told once for as long as it lasts.
    if (!this.#isFailing) this.#deps.log.warn({ err: error }, 'the stream reads nothing')
    this.#isFailing = true
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#wake(), RETRY_MS).unref()
  }

  async #readNews(): Promise<void> {
    const head = await readHead(this.#deps.query)
    // Positions that were set back: what is stored again is not told apart from what was sent.
    if (!covers(head, this.cursor)) this.#publish([resetEvent(head)], head)
    while (this.#isBehind(head)) {
      const page = await readPage(this.#deps.query, this.cursor, head)
      for (const events of chunksOf(page.events)) {
        if (this.#end.signal.aborted) return
        this.#publish(events, events.at(-1)!.after)
        await turn() // lets the sockets take them
      }
      this.cursor = page.after
    }
  }

  #isBehind(head: Cursor): boolean {
    return !this.#end.signal.aborted && !covers(this.cursor, head)
  }

  #publish(events: readonly StreamEvent[], after: Cursor): void {
    this.cursor = after
    const select = selector(events)
    for (const client of this.#clients) {
      const { bytes, counts } = select(client.minScore)
      if (client.send(bytes)) this.#deps.metrics.sent(counts)
    }
  }

  /** Also looks by itself: a notification may be lost where no one sees it. */
  #beat(): void {
    const bytes = heartbeat(this.cursor)
    for (const client of this.#clients) client.send(bytes)
    this.#wake()
  }
}
