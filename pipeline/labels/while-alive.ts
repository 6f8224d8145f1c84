import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for work that may take long, and lets a heartbeat go on meanwhile.
 * @throws what the work throws, or the heartbeat
 */
export async function whileAlive<T>(
  work: Promise<T>,
  heartbeat: () => Promise<void>,
  everyMs: number,
): Promise<T> {
  const over = new AbortController()
  const beating = beat(heartbeat, everyMs, over.signal)
  try {
    return await Promise.race([work, beating])
  } finally {
    over.abort()
    // Of the two one goes on, and nobody waits for it any more.
    work.catch(() => {})
    beating.catch(() => {})
  }
}

async function beat(heartbeat: () => Promise<void>, everyMs: number, over: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(everyMs, undefined, { signal: over })
    await heartbeat()
  }
}
