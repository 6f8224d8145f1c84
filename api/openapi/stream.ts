import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { failures, LIMIT_HEADERS, USUAL } from './failures.ts'
import { TEXT_PATTERN } from './values.ts'

const STREAM_PATH = '/api/v1/stream'

const EXAMPLE = `id: 3:43;57
event: anomaly
data: {"transaction_id":"T-1042","score":0.85,"status":"NEW"}

`

const place = (description: string) =>
  z.string().max(16_000).optional().openapi({ pattern: '^[0-9:,]*;[0-9]+$', description, example: '3:43;57' })

/** The stream of events has no JSON answer to declare at its route: it is described here, where it is served. */
export function describeStream(app: OpenAPIHono): void {
  if (!app.routes.some(({ method, path }) => method === 'GET' && path === STREAM_PATH)) return
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: STREAM_PATH,
    operationId: 'streamEvents',
    tags: ['anomalies'],
    summary: 'New anomalies and changes of status as they happen',
    description: `Server-sent events: \`anomaly\` with an item as in the queue, \`status\` with a change, \`reset\` when what
was missed cannot be told. A client that comes back goes on behind the last event that it has seen.`,
    request: {
      query: z.object({
        min_score: z.number().min(0).max(1).default(0).openapi({
          format: 'float',
          description: 'Of anomalies, least score.',
          example: 0.8,
        }),
        last_event_id: place('As the header, for clients that cannot set it.'),
      }),
      headers: z.object({ 'Last-Event-ID': place('The id of the last event that was seen.') }),
    },
    responses: {
      200: {
        description: 'Events until either side ends it.',
        headers: LIMIT_HEADERS,
        content: {
          'text/event-stream': {
            schema: z
              .string()
              .max(Number.MAX_SAFE_INTEGER)
              .openapi({ pattern: TEXT_PATTERN, example: EXAMPLE }),
          },
        },
      },
      ...USUAL,
      ...failures(422),
    },
  })
}
