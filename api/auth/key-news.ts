import { createClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import { listen } from '../listener.ts'

/** For a question whether the connection is alive. */
const ANSWER_MS = 5000

/**
 * Listens for changes of the table of keys (migration 0015), until the signal comes. Without it a change is seen a few
 * seconds later.
 * @param changed is called at every change, and whenever one may have been missed
 */
export function listenForKeys(
  connectionString: string,
  changed: () => void,
  log: Logger,
  signal: AbortSignal,
): void {
  void listen({
    connect: () =>
      createClient({ connectionString, application_name: 'weir-api-keys', queryTimeoutMs: ANSWER_MS }),
    listen: 'LISTEN weir_api_keys',
    onNews: changed,
    onListening: changed,
    what: 'changes of keys',
    log,
    signal,
  })
}
