import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import type { Logger } from '../../schemas/log.ts'
import { clientAddress } from '../auth/client.ts'
import { type Guard, requireSameSite } from '../auth/guard.ts'
import { hasScope, requireScope } from '../auth/scopes.ts'
import { loginRefusal, type Sessions } from '../auth/session.ts'
import type { ApiSettings, Env } from '../context.ts'
import type { Limits } from '../limits.ts'
import { timeQuery, transactionPath } from '../parameters.ts'
import { requireDone, unknownAnomaly } from '../routes/anomalies.ts'
import { findAnomaly, listAnomalies } from '../sql/anomalies.ts'
import type { Database } from '../sql/database.ts'
import { changeStatus, statusHistory } from '../sql/statuses.ts'
import { formOf, pathOf, queryOf } from '../validation.ts'
import { assetRoutes } from './assets.ts'
import { detailPage } from './detail.ts'
import { queueQuery, statusForm } from './forms.ts'
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

type Wanted = Omit<z.infer<typeof statusForm>, 'version' | 'back'> & { transaction_id: string; actor: string }

/** The analysts' pages. They know sessions only: a key in a header is for programs. */
export function pageRoutes(deps: PageDeps): Hono<Env> {
  const { database, guard, limits, sessions, settings } = deps
  const production = settings.NODE_ENV === 'production'
  const pages = new Hono<Env>()
  pages.route('/', assetRoutes())
  pages.route('/', sessionRoutes(guard, sessions, production))

  pages.get('/', async (c) => {
    const caller = await sessions.read(c)
    await limits.consume(c, 'read', caller?.bucket ?? `address:${clientAddress(c)}`)
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
    return c.html(
      queuePage({ filter, items: items.slice(0, PAGE_SIZE), pageSize: PAGE_SIZE, more, mayDecide }),
    )
  })

  pages.get('/anomalies/:transaction_id', async (c) => {
    if (!(await inSession(c, 'read'))) return c.redirect('/', 303)
    const { transaction_id } = pathOf(c, transactionPath)
    const item = await findAnomaly(database.query, transaction_id, queryOf(c, timeQuery).timestamp)
    if (item === undefined) throw unknownAnomaly()
    const [history, timeline] = await Promise.all([
      statusHistory(database.query, item.transaction_id, item.timestamp),
      timelineInTime(deps, item.account_id, c.get('requestId')),
    ])
    return c.html(detailPage({ item, history, timeline, mayDecide: hasScope(c.get('caller'), 'triage') }))
  })

  pages.post('/anomalies/:transaction_id/status', async (c) => {
    if (!(await inSession(c, 'write'))) return c.redirect('/', 303)
    requireSameSite(c)
    const { transaction_id } = pathOf(c, transactionPath)
    const { version, back, ...change } = await formOf(c, statusForm)
    const wanted = { ...change, transaction_id, actor: c.get('caller').actor }
    const outcome = await changeStatus(database, {
      ...wanted,
      versions: [version],
      request_id: c.get('requestId'),
    })
    if (outcome.kind !== 'stale' || !(await isDone(wanted))) requireDone(outcome)
    return c.redirect(localPath(back), 303)
  })

  /** Whether this very session was the last to change it, and just so: a form that was sent twice, as by a double click. */
  async function isDone({ transaction_id, timestamp, new_status, note, actor }: Wanted): Promise<boolean> {
    const [last] = await statusHistory(database.query, transaction_id, timestamp)
    return last?.actor === actor && last.new_status === new_status && last.note === (note ?? null)
  }

  async function inSession(c: Context<Env>, kind: 'read' | 'write'): Promise<boolean> {
    const caller = await sessions.read(c)
    if (caller === undefined) return false
    c.set('caller', caller)
    await limits.consume(c, kind, caller.bucket)
    requireScope(caller, kind === 'read' ? 'read' : 'triage')
    return true
  }

  return pages
}

/** A path on this server, whatever the form says: never another site. */
function localPath(back: string | undefined): string {
  const base = 'http://weir.invalid'
  if (back === undefined || !URL.canParse(back, base)) return '/'
  const url = new URL(back, base)
  return url.origin === base ? url.pathname.replace(/^\/+/, '/') + url.search : '/'
}
