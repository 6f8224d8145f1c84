import { createRoute, OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from '../context.ts'
import { answer } from '../openapi/answers.ts'
import { bulkChanged } from '../openapi/changes.ts'
import { BULK_EXAMPLE } from '../openapi/examples.ts'
import { failures, USUAL } from '../openapi/failures.ts'
import { bulkBody } from '../parameters.ts'
import { type Fault, Problem } from '../problems.ts'
import { type BulkOutcome, changeStatuses } from '../sql/bulk-statuses.ts'
import type { Database } from '../sql/database.ts'

const route = createRoute({
  method: 'post',
  path: '/status',
  operationId: 'changeStatuses',
  tags: ['anomalies'],
  summary: 'Decide about many anomalies at once',
  description: `Up to 1,000 of them, all or nothing, each with its row of the audit and its label. \`transaction_ids\` names
the newest of each id; \`items\` may tell event times and the versions that were seen. Where some are missing or were changed
meanwhile, \`errors\` names each and nothing is changed. Counts as one call; the body may have 256 KiB.`,
  request: { body: { required: true, content: { 'application/json': { schema: bulkBody } } } },
  responses: {
    200: answer('All have this status now.', bulkChanged, BULK_EXAMPLE),
    ...USUAL,
    ...failures(400, 404, 409, 413, 415, 422),
  },
})

export function bulkRoutes(database: Database): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>().openapi(route, async (c) => {
    const { transaction_ids, items, new_status, note } = c.req.valid('json')
    const wanted = items ?? transaction_ids!.map((transaction_id) => ({ transaction_id }))
    const outcome = await changeStatuses(database, {
      items: wanted,
      new_status,
      note,
      actor: c.get('caller').actor,
      request_id: c.get('requestId'),
    })
    const done = requireDone(outcome, items === undefined ? '#/transaction_ids' : '#/items')
    return c.json({ data: done.items, count: done.items.length, changed: done.changed }, 200)
  })
}

/** @throws Problem 404, 409 or 422 that names each item because of which nothing was changed */
function requireDone(outcome: BulkOutcome, list: string): Extract<BulkOutcome, { kind: 'done' }> {
  if (outcome.kind === 'done') return outcome
  const faults = (at: readonly number[], detail: string): Fault[] =>
    at.map((item) => ({ pointer: `${list}/${item}`, detail }))
  if (outcome.kind === 'missing') {
    const errors = faults(outcome.at, 'there is no such anomaly')
    throw new Problem(404, `Nothing was changed: ${outcome.at.length} of these anomalies are not there.`, {
      errors,
    })
  }
  if (outcome.kind === 'twice') {
    const errors = faults(outcome.at, 'stands twice')
    throw new Problem(422, `Nothing was changed: ${outcome.at.length} of these anomalies stand twice.`, {
      errors,
    })
  }
  const errors = outcome.at.flatMap(({ item, current }) =>
    faults([item], `somebody else changed it meanwhile: its status is ${current}`),
  )
  throw new Problem(409, `Nothing was changed: ${errors.length} of these anomalies were changed meanwhile.`, {
    errors,
  })
}
