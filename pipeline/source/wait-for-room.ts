import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits for room in the queue with a heartbeat now and then: a full queue must not look like a dead member.
 * @throws what the heartbeat throws: it is for kafkajs, which joins the group anew (tulios/kafkajs#1719)
 */
export async function waitForRoom(
  room: Promise<void>,
  heartbeat: () => Promise<void>,
  everyMs: number,
  closing: AbortSignal,
): Promise<void> {
  let waiting = true
  while (waiting && !closing.aborted) {
    const timer = new AbortController()
    const signal = AbortSignal.any([closing, timer.signal])
    const pause = sleep(everyMs, true, { signal }).catch(() => true)
    waiting = await Promise.race([room.then(() => false), pause])
    timer.abort()
    if (waiting) await heartbeat()
  }
}
