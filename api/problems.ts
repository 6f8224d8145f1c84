import { STATUS_CODES } from 'node:http'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from '../schemas/log.ts'
import type { Env } from './context.ts'
import { errorPage } from './pages/error.ts'
import { TooSlow, Unavailable } from './sql/database.ts'

/** One invalid value: a member of the body by JSON pointer, or a parameter of the path or query by name. */
export interface Fault {
  pointer?: string
  parameter?: string
  detail: string
}

interface ProblemOptions {
  errors?: Fault[]
  headers?: Record<string, string>
}

/** An answer that is an error, told as application/problem+json (RFC 9457). Its detail is shown to the caller. */
export class Problem extends Error {
  readonly status: ContentfulStatusCode
  readonly errors: Fault[] | undefined
  readonly headers: Record<string, string>

  constructor(status: ContentfulStatusCode, detail: string, options: ProblemOptions = {}) {
    super(detail)
    this.name = 'Problem'
    this.status = status
    this.errors = options.errors
    this.headers = options.headers ?? {}
  }
}

/** Writes a problem: as JSON, or as a page when a browser asked for one. */
export function respond(c: Context<Env>, problem: Problem): Response | Promise<Response> {
  for (const [name, value] of Object.entries(problem.headers)) c.header(name, value)
  const title = STATUS_CODES[problem.status] ?? 'Error'
  if (wantsPage(c)) return c.html(errorPage(problem.status, title, problem.message), problem.status)
  const body = {
    type: 'about:blank',
    title,
    status: problem.status,
    detail: problem.message,
    // Of the URL, where it is a reference to a URI: Hono's own path is decoded.
    instance: new URL(c.req.url).pathname,
    request_id: c.get('requestId'),
    errors: problem.errors,
  }
  return c.body(JSON.stringify(body), problem.status, { 'Content-Type': 'application/problem+json' })
}

/** The one place where errors become answers. What is not foreseen is logged and told as 500 without its cause. */
export function problemHandler(log: Logger) {
  return function onError(error: Error, c: Context<Env>): Response | Promise<Response> {
    const problem = isCutOff(c)
      ? new Problem(400, 'The request ended before it was complete.')
      : asProblem(error)
    if (problem.status >= 500) {
      const level = problem.status === 500 ? 'error' : 'warn'
      log[level]({ request_id: c.get('requestId'), err: error }, 'a request failed')
    }
    return respond(c, problem)
  }
}

/** Whether the caller went away, or was too slow, in the middle of the request: nobody gets the answer. */
function isCutOff(c: Context<Env>): boolean {
  const incoming = c.env?.incoming
  return incoming !== undefined && incoming.destroyed === true && !incoming.complete
}

function asProblem(error: Error): Problem {
  if (error instanceof Problem) return error
  if (error instanceof Unavailable) {
    return new Problem(503, 'The database does not answer. Try again in a moment.', {
      headers: { 'Retry-After': '2' },
    })
  }
  if (error instanceof TooSlow) {
    return new Problem(504, 'The database took too long to answer. Ask for less, or try again later.')
  }
  if (error instanceof HTTPException) return new Problem(error.status as ContentfulStatusCode, error.message)
  return new Problem(500, 'Something went wrong in the server. Its log has more under the request id.')
}

function wantsPage(c: Context<Env>): boolean {
  return !c.req.path.startsWith('/api/') && (c.req.header('accept') ?? '').includes('text/html')
}
