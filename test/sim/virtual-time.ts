import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'
import type { Scheduler } from './scheduler.ts'

/**
 * Puts the scheduler in the place of clock, chance and sleep while `use` runs: the code under test knows nothing of it.
 * Without a scheduler a sleep is over at once.
 */
export async function withVirtualTime<T>(scheduler: Scheduler | null, use: () => Promise<T>): Promise<T> {
  const real = {
    sleep: timers.setTimeout,
    turn: globalThis.setImmediate,
    random: Math.random,
    now: Date.now,
    elapsed: performance.now,
  }
  timers.setTimeout = ((ms: number, value: unknown, options?: { signal?: AbortSignal }) =>
    scheduler === null
      ? Promise.resolve(value)
      : sleep(scheduler, ms, value, options?.signal)) as typeof timers.setTimeout
  syncBuiltinESMExports()
  if (scheduler !== null) {
    globalThis.setImmediate = ((run: (...values: unknown[]) => void, ...values: unknown[]) =>
      scheduler.after(0, 'turn', () => run(...values))) as unknown as typeof setImmediate
    Math.random = () => scheduler.random.unit()
    Date.now = () => Math.floor(scheduler.now)
    performance.now = () => scheduler.now
  }
  try {
    return await use()
  } finally {
    timers.setTimeout = real.sleep
    syncBuiltinESMExports()
    globalThis.setImmediate = real.turn
    Math.random = real.random
    Date.now = real.now
    performance.now = real.elapsed
  }
}

function sleep<T>(scheduler: Scheduler, ms: number, value: T, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const wake = scheduler.after(ms, 'wake', () => {
      signal?.removeEventListener('abort', abort)
      resolve(value)
    })
    const abort = () => {
      scheduler.cancel(wake)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
  })
}
