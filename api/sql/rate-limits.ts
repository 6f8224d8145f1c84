import type pg from 'pg'
import type { Logger } from '../../schemas/log.ts'
import { within } from './within.ts'

/** Longest wait for the counts: each call to the API waits for them before anything else. */
const ANSWER_MS = 500
/** After a failure the database is left alone for so long: each call would wait in vain. */
const AWAY_MS = 5000

/** What `rate-limiter-flexible` asks a pool for. */
export interface SharedCounts {
  query(statement: pg.QueryConfig): Promise<pg.QueryResult>
}

/**
 * The table `rate_limits`, which all replicas count in.
 * @param pool the API's; a full one counts as away, since who is limited must not wait for who is served
 * @returns queries that are answered or fail within half a second
 */
export function sharedCounts(pool: pg.Pool, log: Logger): SharedCounts {
  let awayUntil = 0
  return {
    async query(statement) {
      if (performance.now() < awayUntil) throw new Error('the shared counts were away a moment ago')
      try {
        // The pool closes a connection on which nothing came back.
        const answer = pool.query({ ...statement, query_timeout: ANSWER_MS } as pg.QueryConfig)
        return await within(ANSWER_MS, answer, () => new Error(`no answer within ${ANSWER_MS} ms`))
      } catch (error) {
        if (performance.now() > awayUntil) {
          log.warn({ err: error }, 'calls are counted by this process alone for a moment')
        }
        awayUntil = performance.now() + AWAY_MS
        throw error
      }
    },
  }
}
