import { syncBuiltinESMExports } from 'node:module'
import type { TestContext } from 'node:test'

/** From here on, time passes only by {@link pass}; modules that import their timers by name see it too. */
export function stopTime(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.timers.reset()
    syncBuiltinESMExports()
  })
}

/** Lets time pass, once what waits for promises has come to its timers. */
export async function pass(t: TestContext, ms: number): Promise<void> {
  await settle()
  t.mock.timers.tick(ms)
  await settle()
}

async function settle(): Promise<void> {
  for (let i = 0; i < 1000; i++) await Promise.resolve()
}
