import { Hono } from 'hono'
import type { Env } from '../context.ts'
import {
  anomalyQuery,
  bodyOf,
  pathOf,
  queryOf,
  statusBody,
  timeQuery,
  transactionPath,
} from '../parameters.ts'
import { Problem } from '../problems.ts'
import { findAnomaly, listAnomalies } from '../sql/anomalies.ts'
import type { Database } from '../sql/database.ts'
import type { VersionedItem } from '../sql/items.ts'
import { changeStatus, type StatusOutcome } from '../sql/statuses.ts'

export function anomalyRoutes(database: Database): Hono<Env> {
  return new Hono<Env>()
    .get('/', async (c) => {
      const rows = await listAnomalies(database.query, queryOf(c, anomalyQuery))
      return c.json({ data: rows.map(withoutVersion), count: rows.length, next_cursor: null })
    })
    .get('/:transaction_id', async (c) => {
      const { transaction_id } = pathOf(c, transactionPath)
      const row = await findAnomaly(database.query, transaction_id, queryOf(c, timeQuery).timestamp)
      if (row === undefined) throw unknownAnomaly()
      c.header('ETag', `"${row.version}"`)
      return c.json(withoutVersion(row))
    })
    .put('/:transaction_id', async (c) => {
      const { transaction_id } = pathOf(c, transactionPath)
      const { timestamp } = queryOf(c, timeQuery)
      const { new_status, note } = await bodyOf(c, statusBody)
      const outcome = await changeStatus(database, {
        transaction_id,
        timestamp,
        new_status,
        note,
        versions: ifMatch(c.req.header('if-match')),
        actor: c.get('caller').actor,
        request_id: c.get('requestId'),
      })
      const done = requireDone(outcome)
      c.header('ETag', `"${done.version}"`)
      const message =
        done.kind === 'same'
          ? `The status is ${new_status} already.`
          : `The status was changed from ${done.previous} to ${new_status}.`
      return c.json({ transaction_id, new_status, message })
    })
}

const withoutVersion = ({ version: _, ...item }: VersionedItem) => item

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
function ifMatch(header: string | undefined): string[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  return header.split(',').map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
}
