import type { Context } from 'hono'
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible'
import type { Settings } from '../schemas/settings.ts'
import type { Env } from './context.ts'
import { Problem } from './problems.ts'

const WINDOW_SECONDS = 60
/** Wrong keys that one address may send in a minute. */
const FAILURES = 30

export type LimitName = 'health' | 'ready' | 'read' | 'write' | 'failure'

export interface Limits {
  /** Counts one call and tells what is left in the headers. @throws Problem 429 when nothing is left */
  consume(c: Context<Env>, name: LimitName, bucket: string): Promise<void>
  /** Counts nothing. @throws Problem 429 when nothing is left */
  refuseExhausted(name: LimitName, bucket: string): Promise<void>
}

/** Calls a minute, in this process's memory: each replica counts for itself. */
export function createLimits(settings: Settings): Limits {
  const limiter = (points: number) => new RateLimiterMemory({ points, duration: WINDOW_SECONDS })
  const limiters: Record<LimitName, RateLimiterMemory> = {
    health: limiter(settings.RATE_LIMIT_HEALTH),
    ready: limiter(settings.RATE_LIMIT_READY),
    read: limiter(settings.RATE_LIMIT_READ),
    write: limiter(settings.RATE_LIMIT_WRITE),
    failure: limiter(FAILURES),
  }

  return {
    async consume(c, name, bucket) {
      const { points } = limiters[name]
      // A refusal is thrown by the limiter as the same kind of value.
      const state = await limiters[name].consume(bucket).catch((refused: RateLimiterRes) => refused)
      c.header('RateLimit-Policy', `"${name}";q=${points};w=${WINDOW_SECONDS}`)
      c.header('RateLimit', `"${name}";r=${state.remainingPoints};t=${seconds(state)}`)
      if (state.consumedPoints > points) throw exhausted(state, points)
    },
    async refuseExhausted(name, bucket) {
      const { points } = limiters[name]
      const state = await limiters[name].get(bucket)
      if (state !== null && state.consumedPoints >= points) throw exhausted(state, points)
    },
  }
}

const seconds = (state: RateLimiterRes): number => Math.max(1, Math.ceil(state.msBeforeNext / 1000))

function exhausted(state: RateLimiterRes, points: number): Problem {
  const wait = seconds(state)
  return new Problem(429, `At most ${points} of these calls a minute. Try again in ${wait} s.`, {
    headers: { 'Retry-After': String(wait) },
  })
}
