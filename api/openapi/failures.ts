import { STATUS_CODES } from 'node:http'
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { text } from './values.ts'

/** The answers that are errors, and the headers that answers share. */

const fault = z
  .strictObject({
    pointer: text(2000).optional().openapi({ description: 'A member of the body, by JSON pointer.' }),
    parameter: text(200).optional().openapi({ description: 'A parameter of the path, query or headers.' }),
    detail: text(2000),
  })
  .openapi('Fault', { example: { parameter: 'limit', detail: 'expected at most 1000' } })

const problem = z
  .strictObject({
    type: text(200).openapi({ format: 'uri-reference' }),
    title: text(200),
    status: z.int().min(400).max(599).openapi({ format: 'int32' }),
    detail: text(),
    instance: text(4000).openapi({ format: 'uri-reference' }),
    request_id: text(128).openapi({ description: 'As in the header X-Request-Id, and in the log.' }),
    errors: z
      .array(fault)
      .max(1000)
      .optional()
      .openapi({ description: 'Of invalid values the first hundred.' }),
  })
  .openapi('Problem', { description: 'RFC 9457.' })

const header = (description: string, schema: object, example: string | number) => ({
  description,
  schema: { type: 'string', maxLength: 200, pattern: '^[\\x20-\\x7E]+$', ...schema },
  example,
})

const SHARED_HEADERS = {
  RateLimit: header(
    'What is left of the limit, and the seconds until it is whole again.',
    {},
    '"read";r=99;t=60',
  ),
  'RateLimit-Policy': header('The limit and its window in seconds.', {}, '"read";q=100;w=60'),
  'Retry-After': header(
    'Seconds to wait.',
    {
      type: 'integer',
      format: 'int32',
      minimum: 1,
      maximum: 86_400,
      maxLength: undefined,
      pattern: undefined,
    },
    17,
  ),
  'Access-Control-Allow-Origin': header(
    'Where FRONTEND_ORIGIN lists the origin that asks; else it is not there.',
    {},
    'https://fraud.example.com',
  ),
  ETag: header('The version of the row, for If-Match.', {}, '"48213"'),
}

const reference = (name: keyof typeof SHARED_HEADERS) => ({ $ref: `#/components/headers/${name}` })

const EVERY = { 'Access-Control-Allow-Origin': reference('Access-Control-Allow-Origin') }
/** Of every answer that counts against a limit. */
export const LIMIT_HEADERS = {
  ...EVERY,
  RateLimit: reference('RateLimit'),
  'RateLimit-Policy': reference('RateLimit-Policy'),
}
export const WITH_RETRY = { ...LIMIT_HEADERS, 'Retry-After': reference('Retry-After') }
export const WITH_ETAG = { ...LIMIT_HEADERS, ETag: reference('ETag') }

const FAILURES = {
  400: ['The body is not JSON.', 'The body is not JSON.'],
  401: ['No key or session, or one that is not known.', 'Send the key in X-API-Key.'],
  403: [
    'The key or session may not do this.',
    'A session may only change something from the pages of this server.',
  ],
  404: ['There is no such thing.', 'There is no anomaly with this id.'],
  409: [
    'Somebody else was faster.',
    'Somebody else changed this anomaly meanwhile: its status is FRAUD. Read it again.',
  ],
  413: ['The body is too large.', 'The body is larger than 65536 bytes.'],
  415: ['The body is of another type.', 'Unsupported Media Type'],
  422: ['A value is invalid; `errors` names each.', 'limit: expected at most 1000'],
  429: ['Too many calls.', 'At most 100 of these calls a minute. Try again in 17 s.'],
  500: [
    'A fault of the server.',
    'Something went wrong in the server. Its log has more under the request id.',
  ],
  503: ['The database does not answer.', 'The database does not answer. Try again in a moment.'],
  '4XX': ['Any other refusal, such as of a wrong method (405).', 'Only GET, HEAD here.'],
  504: [
    'The database took too long.',
    'The database took too long to answer. Ask for less, or try again later.',
  ],
} as const satisfies Record<number | '4XX', readonly [description: string, detail: string]>
type FailureStatus = keyof typeof FAILURES

function failure(status: FailureStatus) {
  const [description, detail] = FAILURES[status]
  const code = status === '4XX' ? 405 : status
  const example = {
    type: 'about:blank',
    title: STATUS_CODES[code],
    status: code,
    detail,
    instance: '/api/v1/anomalies',
    request_id: '5f0c4a52-5c2f-4a3e-9a43-0f1a1b7f6f0e',
    ...(status === 422 ? { errors: [{ parameter: 'limit', detail: 'expected at most 1000' }] } : {}),
  }
  return {
    description,
    headers: {
      ...(code < 500 ? LIMIT_HEADERS : EVERY),
      ...(code === 429 || code === 503 ? { 'Retry-After': reference('Retry-After') } : {}),
    },
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' }, example } },
  }
}

const STATUSES = Object.keys(FAILURES).map((key) => (key === '4XX' ? key : Number(key))) as FailureStatus[]
const nameOf = (status: FailureStatus) => `Problem${status}`

/** Puts what {@link failures} and the headers refer to into the document. */
export function registerFailures(registry: OpenAPIHono['openAPIRegistry']): void {
  registry.register('Problem', problem)
  for (const status of STATUSES)
    registry.registerComponent('responses', nameOf(status), failure(status) as never)
  for (const [name, content] of Object.entries(SHARED_HEADERS))
    registry.registerComponent('headers', name, content as never)
}

/** The responses of a call that may fail in these ways. */
export const failures = <S extends FailureStatus>(...statuses: S[]): Record<S, { $ref: string }> =>
  Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${nameOf(status)}` }]),
  ) as Record<S, { $ref: string }>

/** Every call with a key that asks the database. */
export const USUAL = failures(401, 403, 429, 500, 503, 504)

/** Of calls in which nothing can be invalid. */
export const REFUSED = failures('4XX')
