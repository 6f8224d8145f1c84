import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Env, Scope } from '../context.ts'
import { registerFailures } from './failures.ts'

/** The OpenAPI document: what the routes declare, and what is said of the API as a whole. */

const DESCRIPTION = `What was flagged, why, and what was decided about it.

Keys of items are the columns' names; amounts are decimal strings, times ISO 8601 in UTC. Errors are
\`application/problem+json\` (RFC 9457). A key has some of the scopes \`read\`, \`triage\`, \`metrics\` and \`admin\`, which is all
of them, and a session has its key's. A wrong method is 405 with \`Allow\`. Limits are a minute, per key or session, else per
client address; \`RateLimit\` tells what is left.`

const TAGS = [
  { name: 'anomalies', description: 'The queue of what was flagged, and the decisions about it.' },
  { name: 'accounts', description: 'What accounts did.' },
  { name: 'decisions', description: 'Counts, rules and models.' },
  { name: 'operations', description: 'For those who run it.' },
  { name: 'documents', description: 'The API about itself.' },
]

type Document = ReturnType<OpenAPIHono<Env>['getOpenAPI31Document']>

/** The document of all that the app has by now. */
export function openApiDocument(app: OpenAPIHono<Env>): Document {
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version: '1',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      contact: { name: 'Who runs this installation' },
    },
    servers: [
      {
        url: '/',
        description: 'This installation; in production by https only.',
        'x-internal': true,
      } as never,
    ],
    tags: TAGS,
    security: [{ apiKey: [] }, { bearer: [] }, { session: [] }],
  })
  for (const [path, methods] of Object.entries(document.paths ?? {}))
    for (const [method, operation] of Object.entries(methods as Record<string, Operation>))
      if (operation.security === undefined)
        operation.description += ` Needs the scope \`${scopeOf(method, path)}\`.`
  return document
}

interface Operation {
  description: string
  security?: object[]
}

/** As the guard asks for it. */
function scopeOf(method: string, path: string): Scope {
  if (path === '/metrics') return 'metrics'
  return method === 'get' ? 'read' : 'triage'
}

/** What routes refer to by name. */
export function registerComponents({ openAPIRegistry: registry }: OpenAPIHono<Env>): void {
  registerFailures(registry)
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'A key, for programs.',
  })
  registry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'a key',
    description: 'The same key as `Authorization: Bearer`. By RFC 6750.',
  })
  registry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-weir',
    description:
      'The session of the pages, from /login; `weir` over plain http on this machine. It changes something only from the pages of this server.',
  })
}
