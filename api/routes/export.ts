import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Logger } from '../../schemas/log.ts'
import type { Env } from '../context.ts'
import { csvLine } from '../csv.ts'
import { failures, LIMIT_HEADERS, USUAL } from '../openapi/failures.ts'
import { TEXT_PATTERN } from '../openapi/values.ts'
import { exportQuery } from '../parameters.ts'
import { type ListedItem, listAnomalies } from '../sql/anomalies.ts'
import type { AnomalyFilter } from '../sql/anomaly-filter.ts'
import type { Database } from '../sql/database.ts'
import { COLUMNS } from '../sql/items.ts'
import { shown } from './anomaly-pages.ts'

/** Rows that are in memory at a time. */
const PAGE = 500

const body = (example: string) => ({
  schema: z.string().max(Number.MAX_SAFE_INTEGER).openapi({ pattern: TEXT_PATTERN, example }),
})

const route = createRoute({
  method: 'get',
  path: '/export',
  operationId: 'exportAnomalies',
  tags: ['anomalies'],
  summary: 'All anomalies of a filter as a file',
  description: `In the order of the queue, read page by page while it is sent: not one snapshot. The first line of CSV has
the columns' names; reasons and features are JSON; a text that a spreadsheet would take for a formula has an apostrophe
before it. A fault on the way cuts the connection, so that a file that ended as it should is whole. Counts as one call.`,
  request: { query: exportQuery },
  responses: {
    200: {
      description: 'The file.',
      headers: LIMIT_HEADERS,
      content: {
        'text/csv': body('transaction_id,account_id,timestamp\r\nT-1042,ACC-7,2026-11-24T09:30:00.000Z\r\n'),
        'application/x-ndjson': body('{"transaction_id":"T-1042","account_id":"ACC-7"}\n'),
      },
    },
    ...USUAL,
    ...failures(422),
  },
})

const FORMATS = {
  csv: {
    type: 'text/csv; charset=utf-8; header=present',
    head: csvLine(COLUMNS),
    line: (item: ReturnType<typeof shown>) => csvLine(COLUMNS.map((name) => item[name])),
  },
  ndjson: {
    type: 'application/x-ndjson; charset=utf-8',
    head: '',
    line: (item: ReturnType<typeof shown>) => `${JSON.stringify(item)}\n`,
  },
}

export function exportRoutes(database: Database, log: Logger): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>().openapi(route, async (c) => {
    const { format, ...filter } = c.req.valid('query')
    const { type, head, line } = FORMATS[format]
    // The first page comes before the answer begins: until then a fault is told as any other.
    const first = await page(database, filter, undefined)
    const chunks = chunksOf(database, filter, first, (items) =>
      items.map((item) => line(shown(item))).join(''),
    )
    return c.body(streamOf(head, chunks, log, c.get('requestId')), 200, {
      'Content-Type': type,
      'Content-Disposition': `attachment; filename="anomalies.${format}"`,
    })
  })
}

const page = (database: Database, filter: AnomalyFilter, after: ListedItem | undefined) =>
  listAnomalies(database.query, filter, { limit: PAGE, after })

async function* chunksOf(
  database: Database,
  filter: AnomalyFilter,
  first: ListedItem[],
  toText: (items: ListedItem[]) => string,
): AsyncGenerator<string> {
  for (let items = first; items.length > 0; ) {
    yield toText(items)
    if (items.length < PAGE) return
    items = await page(database, filter, items[items.length - 1])
  }
}

/** Asks for the next page when the client has taken the one before; a client that goes away ends it. */
function streamOf(
  head: string,
  chunks: AsyncGenerator<string>,
  log: Logger,
  requestId: string,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (head !== '') controller.enqueue(encoder.encode(head))
      },
      async pull(controller) {
        try {
          const { value, done } = await chunks.next()
          if (done) controller.close()
          else controller.enqueue(encoder.encode(value))
        } catch (error) {
          log.warn({ request_id: requestId, err: error }, 'an export was cut off')
          controller.error(error)
        }
      },
      async cancel() {
        await chunks.return(undefined)
      },
    },
    { highWaterMark: 1 },
  )
}
