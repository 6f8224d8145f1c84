import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'

const RECONNECT_MS = 1000

/**
 * Listens for changes of the table of keys, on a connection of its own. Without it a change is seen a few seconds later: so
 * whatever happens to the connection, it is only tried again.
 * @param changed is called at every change, and whenever one may have been missed
 */
export function listenForKeys(
  connectionString: string,
  changed: () => void,
  log: Logger,
): { stop(): Promise<void> } {
  const end = new AbortController()
  const running = keepListening()

  async function keepListening(): Promise<void> {
    while (!end.signal.aborted) {
      await listen().catch((error: Error) =>
        log.debug({ reason: error.message }, 'not listening for changes of the keys'),
      )
      await sleep(RECONNECT_MS, undefined, { signal: end.signal, ref: false }).catch(() => {})
    }
  }

  /** Until the connection is lost, or is to end. */
  async function listen(): Promise<void> {
    const client = createClient({ connectionString, application_name: 'weir-api-keys' })
    const ended = Promise.withResolvers<void>()
    client.on('error', ended.reject)
    client.on('end', ended.resolve)
    client.on('notification', changed)
    const stopListening = () => ended.resolve()
    end.signal.addEventListener('abort', stopListening)
    const begin = async () => {
      await client.connect()
      await client.query('LISTEN weir_api_keys')
      changed()
      await ended.promise
    }
    try {
      await Promise.race([begin(), ended.promise])
    } finally {
      end.signal.removeEventListener('abort', stopListening)
      // A server that does not answer never confirms the end.
      client.end().catch(() => {})
    }
  }

  return {
    async stop() {
      end.abort()
      await running
    },
  }
}
