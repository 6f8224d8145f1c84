import { type Context, Hono } from 'hono'
import type { Guard } from '../auth/guard.ts'
import type { Env } from '../context.ts'
import { anomalyQuery } from '../parameters.ts'
import { Problem } from '../problems.ts'
import { queryOf } from '../validation.ts'
import { type Cursor, parseCursor } from './cursor.ts'
import type { Hub } from './hub.ts'

/** How soon a stream ends after its key was revoked or its session is over. */
const ASK_CALLER_MS = 5000

const streamQuery = anomalyQuery.pick({ min_score: true })

const HEADERS = {
  'Content-Type': 'text/event-stream',
  // Who stores or compresses it would hold back events.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  // Nothing comes after the stream's end: a process that stops need not wait for the connection.
  Connection: 'close',
}

/** Server-sent events: new anomalies and status changes (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function streamRoutes(hub: Hub, guard: Guard): Hono<Env> {
  return new Hono<Env>().get('/', async (c) => {
    const { min_score } = queryOf(c, streamQuery)
    const from = lastEventId(c)
    if (c.req.method === 'HEAD') return c.body(null, 200, HEADERS)
    let asking: NodeJS.Timeout | undefined
    const client = await hub.open({
      minScore: min_score,
      from,
      destroy: c.env?.outgoing && (() => c.env.outgoing?.destroy()),
      onGone: () => clearInterval(asking),
    })
    asking = setInterval(async () => {
      // Who cannot be asked about now, as the database is away, is asked about again.
      const may = await guard.stillMay(c).catch(() => true)
      if (!may) client.end()
    }, ASK_CALLER_MS).unref()
    return c.body(client.body, 200, HEADERS)
  })
}

/** What the client has seen, by the header that browsers send, or by the parameter. @throws Problem 422 for what is no id */
function lastEventId(c: Context<Env>): Cursor | undefined {
  const header = c.req.header('last-event-id')
  const text = header || c.req.query('last_event_id')
  if (!text) return undefined
  const cursor = parseCursor(text)
  if (cursor !== undefined) return cursor
  const parameter = header ? 'Last-Event-ID' : 'last_event_id'
  const detail = 'expected the id of an event of this stream'
  throw new Problem(422, `${parameter}: ${detail}`, { errors: [{ parameter, detail }] })
}
