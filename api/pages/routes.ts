import { type Context, Hono } from 'hono'
import type { Logger } from '../../schemas/log.ts'
import { clientAddress } from '../auth/client.ts'
import { type Guard, requireSameSite } from '../auth/guard.ts'
import { hasScope, requireScope } from '../auth/scopes.ts'
import { loginRefusal, type Sessions } from '../auth/session.ts'
import type { ApiSettings, Env } from '../context.ts'
import type { Limits } from '../limits.ts'
import { transactionPath } from '../parameters.ts'
import { requireDone, unknownAnomaly } from '../routes/anomalies.ts'
import { findAnomaly, listAnomalies } from '../sql/anomalies.ts'
import type { Database } from '../sql/database.ts'
import { changeStatus, type StatusChange, statusHistory } from '../sql/statuses.ts'
import { formOf, pathOf, queryOf } from '../validation.ts'
import { assetRoutes } from './assets.ts'
import { detailPage } from './detail.ts'
import { detailQuery, queueQuery, statusForm } from './forms.ts'
import { loginPage } from './login.ts'
import { queuePage } from './queue.ts'
import { sessionRoutes } from './session-routes.ts'
import { timelineInTime } from './timeline.ts'

interface PageDeps {
  database: Database
  guard: Guard
  limits: Limits
  sessions: Sessions
  settings: ApiSettings
  log: Logger
}

const PAGE_SIZE = 50

/** The analysts' pages. They know sessions only: a key in a header is for programs. */
export function pageRoutes(deps: PageDeps): Hono<Env> {
  const { guard, sessions, settings } = deps
  const pages = new Hono<Env>()
  pages.route('/', assetRoutes())
  pages.route('/', sessionRoutes(guard, sessions, settings.NODE_ENV === 'production'))
  pages.get('/', (c) => showQueue(c, deps))
  pages.get('/anomalies/:transaction_id', (c) => showAnomaly(c, deps))
  pages.post('/anomalies/:transaction_id/status', (c) => decide(c, deps))
  return pages
}

async function showQueue(c: Context<Env>, { database, limits, sessions, settings }: PageDeps) {
  const caller = await sessions.read(c)
  await limits.consume(c, 'read', caller?.bucket ?? `address:${clientAddress(c)}`)
  const production = settings.NODE_ENV === 'production'
  if (caller === undefined) return c.html(loginPage({ refusal: loginRefusal(c, production) }))
  c.set('caller', caller)
  requireScope(caller, 'read')
  const filter = queryOf(c, queueQuery)
  const status = filter.status === 'ALL' ? undefined : [filter.status]
  // One more than is shown tells whether there is a next page.
  const items = await listAnomalies(
    database.query,
    { min_score: filter.min_score, status },
    { limit: PAGE_SIZE + 1, offset: filter.offset },
  )
  const more = items.length > PAGE_SIZE
  const mayDecide = hasScope(caller, 'triage')
  return c.html(queuePage({ filter, items: items.slice(0, PAGE_SIZE), pageSize: PAGE_SIZE, more, mayDecide }))
}

async function showAnomaly(c: Context<Env>, deps: PageDeps) {
  const { database } = deps
  if (!(await inSession(c, 'read', deps))) return c.redirect('/', 303)
  const { transaction_id } = pathOf(c, transactionPath)
  const { timestamp, back } = queryOf(c, detailQuery)
  const item = await findAnomaly(database.query, transaction_id, timestamp)
  if (item === undefined) throw unknownAnomaly()
  const [history, timeline] = await Promise.all([
    statusHistory(database.query, item.transaction_id, item.timestamp),
    timelineInTime(deps, item.account_id, c.get('requestId')),
  ])
  const mayDecide = hasScope(c.get('caller'), 'triage')
  return c.html(detailPage({ item, history, timeline, back, mayDecide }))
}

async function decide(c: Context<Env>, deps: PageDeps) {
  const { database } = deps
  if (!(await inSession(c, 'write', deps))) return c.redirect('/', 303)
  requireSameSite(c)
  const { transaction_id } = pathOf(c, transactionPath)
  const { version, back, ...change } = await formOf(c, statusForm)
  const wanted = { ...change, transaction_id, actor: c.get('caller').actor, request_id: c.get('requestId') }
  const outcome = await changeStatus(database, { ...wanted, versions: [version] })
  if (outcome.kind !== 'stale' || !(await isDone(database, wanted))) requireDone(outcome)
  return c.redirect(back, 303)
}

/** Whether this very session was the last to change it, and just so: a form that was sent twice, as by a double click. */
async function isDone({ query }: Database, wanted: StatusChange & { timestamp: string }): Promise<boolean> {
  const { transaction_id, timestamp, new_status, note, actor } = wanted
  const [last] = await statusHistory(query, transaction_id, timestamp)
  return last?.actor === actor && last.new_status === new_status && last.note === (note ?? null)
}

async function inSession(
  c: Context<Env>,
  kind: 'read' | 'write',
  { sessions, limits }: PageDeps,
): Promise<boolean> {
  const caller = await sessions.read(c)
  if (caller === undefined) return false
  c.set('caller', caller)
  await limits.consume(c, kind, caller.bucket)
  requireScope(caller, kind === 'read' ? 'read' : 'triage')
  return true
}
