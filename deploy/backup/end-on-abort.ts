import type pg from 'pg'

/**
 * Works with a connection until the signal gives the work up: then the connection is ended, and with it the query that
 * waits.
 * @throws what the work throws; the signal's reason when it was given up
 */
export async function endOnAbort<T>(
  client: pg.Client,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const end = () => void client.end().catch(() => {})
  signal.addEventListener('abort', end)
  try {
    signal.throwIfAborted()
    return await work()
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', end)
  }
}
