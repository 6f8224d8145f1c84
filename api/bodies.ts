import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Env } from './context.ts'
import { Problem } from './problems.ts'

const MAX_BYTES = 64 * 1024
/** A thousand ids with their times and versions. */
const MAX_BULK_BYTES = 256 * 1024
const BULK_PATH = '/api/v1/anomalies/status'

/** Refuses bodies that are too large, whether they tell their length or not. */
export const limitBodies = (): MiddlewareHandler<Env> => {
  const usual = limit(MAX_BYTES)
  const bulk = limit(MAX_BULK_BYTES)
  return (c, next) => {
    // The server gives these no body; to look for it would make a whole Request of each call.
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
    return (c.req.path === BULK_PATH ? bulk : usual)(c, next)
  }
}

const limit = (maxSize: number): MiddlewareHandler<Env> =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new Problem(413, `The body is larger than ${maxSize} bytes.`)
    },
  })
