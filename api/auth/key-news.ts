import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { createClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'

export interface KeyNews {
  /** Calls back at every change of the keys, and whenever one may have been missed. */
  subscribe(changed: () => void): void
  stop(): Promise<void>
}

const RECONNECT_MS = 1000

/**
 * Listens for changes of the table of keys, on a connection of its own. Without it a change is seen a few seconds later: so
 * whatever happens to the connection, it is only tried again.
 */
export function listenForKeys(connectionString: string, log: Logger): KeyNews {
  const subscribers: (() => void)[] = []
  const tell = () => {
    for (const changed of subscribers) changed()
  }
  const end = new AbortController()
  const running = keepListening()

  async function keepListening(): Promise<void> {
    while (!end.signal.aborted) {
      await listen(tell, end.signal).catch((error: Error) =>
        log.debug({ reason: error.message }, 'not listening for changes of the keys'),
      )
      await sleep(RECONNECT_MS, undefined, { signal: end.signal, ref: false }).catch(() => {})
    }
  }

  /** Until the connection ends or is to end. */
  async function listen(changed: () => void, signal: AbortSignal): Promise<void> {
    const client: pg.Client = createClient({ connectionString, application_name: 'weir-api-keys' })
    const lost = Promise.withResolvers<void>()
    client.on('error', lost.reject)
    client.on('end', lost.resolve)
    lost.promise.catch(() => {})
    client.on('notification', changed)
    signal.addEventListener('abort', () => lost.resolve(), { once: true })
    try {
      await client.connect()
      await client.query('LISTEN weir_api_keys')
      changed()
      await lost.promise
    } finally {
      // A server that does not answer never confirms the end.
      client.end().catch(() => {})
    }
  }

  return {
    subscribe: (changed) => void subscribers.push(changed),
    async stop() {
      end.abort()
      await running
    },
  }
}
