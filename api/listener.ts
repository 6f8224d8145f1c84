import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from '../schemas/log.ts'

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000
/** A connection that the network forgot says nothing at all: it is asked so often. */
const ASK_MS = 10_000

export interface ListenOptions {
  /** A connection that is not yet connected; a query of it that is not answered has to fail. May throw. */
  connect: () => pg.Client
  /** Statements that begin to listen. */
  listen: string
  /** Called for each notification. */
  onNews: () => void
  /** Called whenever the connection is there: what was committed until then it was not told. */
  onListening: () => void
  /** Whose notifications they are, for the log. */
  what: string
  log: Logger
  signal: AbortSignal
}

/**
 * Keeps one connection that hears the database's notifications, and makes it anew when it is lost, until the signal comes.
 * A notification says only that there is something to read: so a lost connection loses nothing, and fails nobody.
 */
export async function listen(options: ListenOptions): Promise<void> {
  const { log, what, signal } = options
  let wait = FIRST_WAIT_MS
  while (!signal.aborted) {
    const { error, heardMs } = await listenOnce(options)
    if (signal.aborted) return
    if (heardMs > LONGEST_WAIT_MS) wait = FIRST_WAIT_MS
    // Told once for as long as it lasts.
    if (wait === FIRST_WAIT_MS)
      log.warn({ err: error }, `${what}: no notifications are heard; connecting anew`)
    // Spread, so that all processes do not come back at once.
    await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {})
    wait = Math.min(wait * 2, LONGEST_WAIT_MS)
  }
}

/** @returns why it ended, and how long it heard */
async function listenOnce(options: ListenOptions): Promise<{ error: Error; heardMs: number }> {
  const { signal, onNews } = options
  const { promise: lost, reject } = Promise.withResolvers<never>()
  lost.catch(() => {})
  const stop = () => reject(new Error('stopped'))
  signal.addEventListener('abort', stop, { once: true })
  let client: pg.Client | undefined
  let asking: NodeJS.Timeout | undefined
  let since = Number.POSITIVE_INFINITY
  try {
    client = options.connect() // throws where the URL of the database is none
    client.on('error', reject)
    client.on('end', () => reject(new Error('the connection was ended')))
    client.on('notification', onNews)
    await Promise.race([client.connect(), lost])
    await Promise.race([client.query(options.listen), lost])
    since = performance.now()
    options.onListening()
    asking = setInterval(() => client?.query('SELECT 1').catch(reject), ASK_MS)
    return await lost
  } catch (error) {
    return { error: error as Error, heardMs: performance.now() - since }
  } finally {
    clearInterval(asking)
    signal.removeEventListener('abort', stop)
    client?.removeListener('notification', onNews)
    // A server that does not answer never confirms the end: nobody waits for it.
    client?.end().catch(() => {})
  }
}
