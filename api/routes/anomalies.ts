import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from '../context.ts'
import { answer } from '../openapi/answers.ts'
import { changed } from '../openapi/changes.ts'
import { ANOMALY_EXAMPLE, CHANGED_EXAMPLE, LIST_EXAMPLE } from '../openapi/examples.ts'
import { failures, USUAL, WITH_ETAG } from '../openapi/failures.ts'
import { anomaly, transactionList } from '../openapi/items.ts'
import { anomalyQuery, ifMatchHeader, statusBody, timeQuery, transactionPath } from '../parameters.ts'
import { Problem } from '../problems.ts'
import { listAnomalies } from '../sql/anomalies.ts'
import { readAnomaly } from '../sql/anomaly-detail.ts'
import type { Database } from '../sql/database.ts'
import { changeStatus, type StatusOutcome } from '../sql/statuses.ts'
import { nextCursor, placeOf, shown } from './anomaly-pages.ts'
import { normalOf } from './normal.ts'

const list = createRoute({
  method: 'get',
  path: '/',
  operationId: 'listAnomalies',
  tags: ['anomalies'],
  summary: 'The queue',
  description:
    'Anomalies, the riskiest first. Walk it by `next_cursor`: rows that come in meanwhile neither repeat nor hide others. Unknown parameters are ignored.',
  request: { query: anomalyQuery },
  responses: {
    200: answer('A page of the queue.', transactionList, LIST_EXAMPLE),
    ...USUAL,
    ...failures(422),
  },
})

const one = createRoute({
  method: 'get',
  path: '/{transaction_id}',
  operationId: 'getAnomaly',
  tags: ['anomalies'],
  summary: 'One anomaly',
  description:
    'With its reasons, features, what was normal for the account, its earlier anomalies and who changed its status.',
  request: { params: transactionPath, query: timeQuery },
  responses: {
    200: answer('The anomaly.', anomaly, ANOMALY_EXAMPLE, WITH_ETAG),
    ...USUAL,
    ...failures(404, 422),
  },
})

const change = createRoute({
  method: 'put',
  path: '/{transaction_id}',
  operationId: 'changeStatus',
  tags: ['anomalies'],
  summary: 'Decide about an anomaly',
  description: 'Changes its status, with a row of the audit and, for FRAUD and DISMISSED, a label.',
  request: {
    params: transactionPath,
    query: timeQuery,
    headers: ifMatchHeader,
    body: { required: true, content: { 'application/json': { schema: statusBody } } },
  },
  responses: {
    200: answer('It has this status now.', changed, CHANGED_EXAMPLE, WITH_ETAG),
    ...USUAL,
    ...failures(400, 404, 409, 413, 415, 422),
  },
})

export function anomalyRoutes(database: Database): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>()
    .openapi(list, async (c) => {
      const { limit, offset, cursor, ...filter } = c.req.valid('query')
      const after = cursor === undefined ? undefined : placeOf(filter, cursor)
      // One more than is shown tells whether there is a next page.
      const rows = await listAnomalies(database.query, filter, { limit: limit + 1, offset, after })
      const data = rows.slice(0, limit)
      const next_cursor = rows.length > limit ? nextCursor(filter, data[limit - 1]) : null
      return c.json({ data: data.map(shown), count: data.length, next_cursor }, 200)
    })
    .openapi(one, async (c) => {
      const { transaction_id } = c.req.valid('param')
      const row = await readAnomaly(database.query, transaction_id, c.req.valid('query').timestamp)
      if (row === undefined) throw unknownAnomaly()
      const { version, earlier_anomalies, audit, ...item } = row
      c.header('ETag', `"${version}"`)
      return c.json({ ...item, normal: normalOf(item), earlier_anomalies, audit }, 200)
    })
    .openapi(change, async (c) => {
      const { transaction_id } = c.req.valid('param')
      const { new_status, note } = c.req.valid('json')
      const outcome = await changeStatus(database, {
        transaction_id,
        timestamp: c.req.valid('query').timestamp,
        new_status,
        note,
        versions: versionsOf(c.req.valid('header')['if-match']),
        actor: c.get('caller').actor,
        request_id: c.get('requestId'),
      })
      const done = requireDone(outcome)
      c.header('ETag', `"${done.version}"`)
      const message =
        done.kind === 'same'
          ? `The status is ${new_status} already.`
          : `The status was changed from ${done.previous} to ${new_status}.`
      return c.json({ transaction_id, new_status, message }, 200)
    })
}

/** @throws Problem 404 or 409 when the status was not changed */
export function requireDone(
  outcome: StatusOutcome,
): Extract<StatusOutcome, { kind: 'changed' } | { kind: 'same' }> {
  if (outcome.kind === 'missing') throw unknownAnomaly()
  if (outcome.kind === 'stale') {
    throw new Problem(
      409,
      `Somebody else changed this anomaly meanwhile: its status is ${outcome.current}. Read it again.`,
    )
  }
  return outcome
}

export const unknownAnomaly = (): Problem => new Problem(404, 'There is no anomaly with this id.')

/**
 * The versions in If-Match; undefined when it asks for nothing. A weak tag counts too: proxies that compress
 * weaken ours.
 */
function versionsOf(ifMatch: string | undefined): string[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  return ifMatch.split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
}
