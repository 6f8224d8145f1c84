import { setTimeout as sleep } from 'node:timers/promises'

/** @returns whether the promise was fulfilled in time */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false)
  const inTime = await Promise.race([
    promise.then(
      () => true,
      () => false,
    ),
    late,
  ])
  timer.abort()
  return inTime
}
