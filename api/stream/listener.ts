import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from '../../schemas/log.ts'

/** Channels of migration 0017, and the lock by which the pipeline's lanes know that somebody listens. */
const LISTEN = `SELECT pg_advisory_lock_shared(hashtext('weir.stream')); LISTEN weir_anomalies; LISTEN weir_statuses`
/** A transaction that found nobody listening commits within this time, but for a rare one. */
const SETTLED_MS = 1000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5000
/** A connection that the network forgot says nothing at all: it is asked so often. */
const ASK_MS = 10_000

interface ListenOptions {
  /** A connection that is not yet connected. */
  connect: () => pg.Client
  /** Called for each notification, and whenever some may have been missed. */
  onNews: () => void
  log: Logger
  signal: AbortSignal
}

/** Keeps one connection that hears the database's notifications, and makes it anew when it is lost, until the signal comes. */
export async function listen({ connect, onNews, log, signal }: ListenOptions): Promise<void> {
  let wait = FIRST_WAIT_MS
  const hear = () => {
    wait = FIRST_WAIT_MS
    onNews()
  }
  while (!signal.aborted) {
    await listenOnce(connect(), hear, signal).catch((error: Error) => {
      // Told once for as long as it lasts.
      if (signal.aborted || wait > FIRST_WAIT_MS) return
      const { name, message } = error
      log.warn({ error: { name, message } }, 'the stream hears no notifications; it connects anew')
    })
    // Spread, so that all processes do not come back at once.
    await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {})
    wait = Math.min(wait * 2, LONGEST_WAIT_MS)
  }
}

/** @throws when the connection cannot be made or is lost */
async function listenOnce(client: pg.Client, onNews: () => void, signal: AbortSignal): Promise<void> {
  const { promise: lost, reject } = Promise.withResolvers<never>()
  lost.catch(() => {})
  client.on('error', reject)
  client.on('end', () => reject(new Error('the connection was ended')))
  client.on('notification', onNews)
  const stop = () => reject(new Error('stopped'))
  signal.addEventListener('abort', stop, { once: true })
  let asking: NodeJS.Timeout | undefined
  let settled: NodeJS.Timeout | undefined
  try {
    await Promise.race([client.connect(), lost])
    await Promise.race([client.query(LISTEN), lost])
    // What was committed until now was not told to this connection, nor what others are just about to commit.
    onNews()
    settled = setTimeout(onNews, SETTLED_MS)
    asking = setInterval(() => client.query('SELECT 1').catch(reject), ASK_MS)
    await lost
  } finally {
    clearInterval(asking)
    clearTimeout(settled)
    signal.removeEventListener('abort', stop)
    client.removeListener('notification', onNews)
    client.end().catch(() => {})
  }
}
