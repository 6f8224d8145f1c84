import type { Context } from 'hono'
import type pg from 'pg'
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible'
import type { Logger } from '../schemas/log.ts'
import type { Settings } from '../schemas/settings.ts'
import type { Env } from './context.ts'
import type { ApiMetrics } from './metrics.ts'
import { Problem } from './problems.ts'
import { type SharedCounts, sharedCounts } from './sql/rate-limits.ts'

const WINDOW_SECONDS = 60
const TABLE = 'rate_limits'

export type LimitName = 'health' | 'ready' | 'read' | 'write' | 'failure'

export interface Limits {
  /** Counts one call and tells what is left in the headers. @throws Problem 429 when nothing is left */
  consume(c: Context<Env>, name: LimitName, bucket: string): Promise<void>
  /** Counts nothing. @throws Problem 429 when nothing is left */
  refuseExhausted(name: LimitName, bucket: string): Promise<void>
}

interface LimitDeps {
  settings: Settings
  pool: pg.Pool
  log: Logger
  metrics: Pick<ApiMetrics, 'limited'>
}

/**
 * Calls a minute: in this process's memory, or by RATE_LIMIT_STORE=postgres in a table that all replicas share. While
 * that is away each process counts for itself, since a limit must not be what stops the service.
 */
export function createLimits({ settings, pool, log, metrics }: LimitDeps): Limits {
  const counts = settings.RATE_LIMIT_STORE === 'postgres' ? sharedCounts(pool, log) : undefined
  const limiters: Record<LimitName, RateLimiterAbstract> = {
    health: limiter('health', settings.RATE_LIMIT_HEALTH, counts),
    ready: limiter('ready', settings.RATE_LIMIT_READY, counts),
    read: limiter('read', settings.RATE_LIMIT_READ, counts),
    write: limiter('write', settings.RATE_LIMIT_WRITE, counts),
    failure: limiter('failure', settings.RATE_LIMIT_FAILURES, counts),
  }

  function exhausted(name: LimitName, state: RateLimiterRes): Problem {
    metrics.limited.inc({ limit: name })
    const wait = seconds(state)
    const what = name === 'failure' ? 'wrong keys' : 'of these calls'
    return new Problem(429, `At most ${limiters[name].points} ${what} a minute. Try again in ${wait} s.`, {
      headers: { 'Retry-After': String(wait) },
    })
  }

  return {
    async consume(c, name, bucket) {
      const { state, refused } = await count(limiters[name], bucket)
      // draft-ietf-httpapi-ratelimit-headers: quota and window in seconds; what is left and for how many seconds.
      c.header('RateLimit-Policy', `"${name}";q=${limiters[name].points};w=${WINDOW_SECONDS}`)
      c.header('RateLimit', `"${name}";r=${state.remainingPoints};t=${seconds(state)}`)
      if (refused) throw exhausted(name, state)
    },
    async refuseExhausted(name, bucket) {
      const state = await limiters[name].get(bucket)
      if (state !== null && state.consumedPoints >= limiters[name].points) throw exhausted(name, state)
    },
  }
}

function limiter(name: LimitName, points: number, counts: SharedCounts | undefined): RateLimiterAbstract {
  const bound = { keyPrefix: name, points, duration: WINDOW_SECONDS }
  const memory = new RateLimiterMemory(bound)
  if (counts === undefined) return memory
  return new RateLimiterPostgres({
    ...bound,
    storeClient: counts,
    storeType: 'pool',
    tableName: TABLE,
    tableCreated: true,
    // One of them removes what is over for all.
    clearExpiredByTimeout: name === 'health',
    // Who was refused is refused again without asking the database.
    inMemoryBlockOnConsumed: points,
    insuranceLimiter: memory,
  })
}

async function count(
  limiter: RateLimiterAbstract,
  bucket: string,
): Promise<{ state: RateLimiterRes; refused: boolean }> {
  try {
    return { state: await limiter.consume(bucket), refused: false }
  } catch (state) {
    // A refusal is thrown as the same kind of value.
    if (state instanceof RateLimiterRes) return { state, refused: true }
    throw state
  }
}

const seconds = (state: RateLimiterRes): number => Math.max(1, Math.ceil(state.msBeforeNext / 1000))
