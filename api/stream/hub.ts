import { Problem } from '../problems.ts'
import type { Query } from '../sql/database.ts'
import { catchUp } from './catch-up.ts'
import { StreamClient } from './client.ts'
import { type Cursor, covers } from './cursor.ts'
import { heartbeat } from './events.ts'
import { Feed, type FeedDeps } from './feed.ts'
import { takingTurns } from './turns.ts'

export interface HubDeps extends FeedDeps {
  maxClients: number
}

export interface Opening {
  minScore: number
  /** What the client has seen; undefined for a stream that begins now. */
  from: Cursor | undefined
  /** Cuts the connection. */
  destroy?: () => void
  /** Called once, when the client is gone. */
  onGone: () => void
}

/** Reads of clients that catch up at once: the rest of the pool is for others. */
const READERS = 2

/** All clients of the stream in this process, and the feed that they share; without clients there is none. */
export class Hub {
  readonly #deps: HubDeps
  readonly #catchUpQuery: Query
  readonly #clients = new Set<StreamClient>()
  /** Clients, and those who are about to be one. */
  #seats = 0
  #feed: Promise<Feed> | undefined
  #isStopped = false

  constructor(deps: HubDeps) {
    this.#deps = deps
    this.#catchUpQuery = takingTurns(deps.query, READERS)
  }

  get size(): number {
    return this.#clients.size
  }

  /**
   * A new client, whose body is the answer.
   * @throws Problem 503 when there are too many or the process stops; what the query throws
   */
  async open(opening: Opening): Promise<StreamClient> {
    this.#refuseWhenStopped()
    if (this.#seats >= this.#deps.maxClients)
      throw unavailable('There are too many streams. Try again later.', 10)
    this.#seats++
    try {
      const feed = await this.#sharedFeed()
      // Another process may have sent what this one has not read yet.
      if (opening.from !== undefined && !covers(feed.cursor, opening.from)) await feed.look()
      this.#refuseWhenStopped()
      return this.#begin(feed, opening)
    } catch (error) {
      this.#giveBackSeat()
      throw error
    }
  }

  /** Ends all streams, and lets nobody in. */
  stop(): void {
    this.#isStopped = true
    for (const client of this.#clients) client.end()
  }

  #refuseWhenStopped(): void {
    if (this.#isStopped) throw unavailable('The server is about to stop. Try again in a moment.', 2)
  }

  #begin(feed: Feed, { minScore, from, destroy, onGone }: Opening): StreamClient {
    const { metrics, log } = this.#deps
    const client = new StreamClient({
      minScore,
      destroy,
      onDropped: () => metrics.dropped(),
      onGone: () => {
        feed.leave(client)
        this.#clients.delete(client)
        this.#giveBackSeat()
        onGone()
      },
    })
    this.#clients.add(client)
    client.send(retryAfter())
    if (from === undefined) {
      client.send(heartbeat(feed.cursor))
      feed.join(client)
    } else {
      catchUp(client, from, { feed, query: this.#catchUpQuery, metrics }).catch((error: Error) => {
        log.warn({ err: error }, 'a stream ends: what it missed was not read')
        client.end()
      })
    }
    return client
  }

  #sharedFeed(): Promise<Feed> {
    if (this.#feed !== undefined) return this.#feed
    const opening = Feed.open(this.#deps)
    this.#feed = opening
    opening.catch(() => {
      if (this.#feed === opening) this.#feed = undefined
    })
    return opening
  }

  #giveBackSeat(): void {
    this.#seats--
    if (this.#seats > 0) return
    this.#feed?.then(
      (feed) => feed.close(),
      () => {},
    )
    this.#feed = undefined
  }
}

/** When a browser comes back; spread, so that all of a process that ended do not come at once. */
const retryAfter = (): Buffer => Buffer.from(`retry: ${2000 + Math.floor(Math.random() * 3000)}\n\n`)

const unavailable = (detail: string, seconds: number): Problem =>
  new Problem(503, detail, { headers: { 'Retry-After': String(seconds) } })
