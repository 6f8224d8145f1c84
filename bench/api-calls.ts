import type pg from 'pg'
import { nextCursor } from '../api/routes/anomaly-pages.ts'
import { accountTransactions } from '../api/sql/accounts.ts'
import { type ListedItem, listAnomalies } from '../api/sql/anomalies.ts'
import { readAnomaly } from '../api/sql/anomaly-detail.ts'
import type { AnomalyFilter, Order } from '../api/sql/anomaly-filter.ts'
import { changeStatuses } from '../api/sql/bulk-statuses.ts'
import type { Database, Query } from '../api/sql/database.ts'
import { listModels, listRuleSets } from '../api/sql/registry.ts'
import { countAnomalies, countByHour } from '../api/sql/stats.ts'
import { changeStatus } from '../api/sql/statuses.ts'
import { STATUSES } from '../schemas/transaction.ts'
import { accountId, anomalyId } from './api-rows.ts'

/** The calls that are measured, each with the very statements that the API runs for it. */

export interface Request {
  method: 'GET' | 'PUT' | 'POST'
  path: string
  body?: object
}

export interface Call {
  name: string
  /** The n-th one that a client makes. @param client numbers the clients from 0 */
  request: (n: number, client: number) => Request
  /** Its statements, without the API; undefined where it has none. */
  bare?: (database: Pick<Database, 'query' | 'transaction'>, n: number, client: number) => Promise<unknown>
}

export interface Sizes {
  rows: number
  anomalies: number
  accounts: number
  clients: number
}

const LIST = '/api/v1/anomalies'
const LIMIT = 100
/** Anomalies in a call that changes many. */
const MANY = 100
/** So many calls' worth are left to the changes of single ones. */
const FIRST_MANY = 1000

/** @param query reads where the last pages begin */
export async function callsOf(query: Query, sizes: Sizes): Promise<Call[]> {
  const { anomalies, accounts } = sizes
  const page = (name: string, filter: AnomalyFilter, after?: ListedItem): Call => ({
    name,
    request: () => get(`${LIST}?${parameters(filter, after)}`),
    bare: ({ query }) => listAnomalies(query, filter, { limit: LIMIT + 1, after }),
  })
  const [lastByScore, lastByLoss] = await Promise.all([beforeLast(query, 'score'), beforeLast(query, 'loss')])
  // A large odd step, so that calls one after another have nothing in common.
  const account = (n: number, client: number) => accountId(((n + 1) * 7919 + client * 104_729) % accounts)
  const anomaly = (n: number, client: number) =>
    anomalyId(1 + (((n + 1) * 7919 + client * 104_729) % anomalies))
  const change = changesOf(sizes)

  return [
    { name: 'health/live', request: () => get('/health/live') },
    page('queue, NEW, first page', { status: ['NEW'] }),
    page('queue, all, first page', { order: 'score' }),
    page('queue, all, last page', { order: 'score' }, lastByScore),
    page('by loss, all, first page', { order: 'loss' }),
    page('by loss, all, last page', { order: 'loss' }, lastByLoss),
    {
      name: "queue, an account's",
      request: (n, client) => get(`${LIST}?limit=${LIMIT}&account=${account(n, client)}`),
      bare: ({ query }, n, client) =>
        listAnomalies(query, { account: account(n, client) }, { limit: LIMIT + 1 }),
    },
    page('by amount, none there', { min_amount: '999999999' }),
    page('by amount, many', { min_amount: '100', max_amount: '200' }),
    page('by reason and hours', {
      reason: 'MODEL',
      from: '2025-11-15T08:00:00Z',
      to: '2025-11-15T20:00:00Z',
    }),
    {
      name: 'one anomaly',
      request: (n, client) => get(`${LIST}/${anomaly(n, client)}`),
      bare: ({ query }, n, client) => readAnomaly(query, anomaly(n, client), undefined),
    },
    {
      name: 'timeline',
      request: (n, client) => get(`/api/v1/accounts/${account(n, client)}/transactions?limit=${LIMIT}`),
      bare: ({ query }, n, client) => accountTransactions(query, account(n, client), LIMIT + 1),
    },
    {
      name: 'change a status',
      request: (n, client) => {
        const [id, new_status] = change(n, client)
        return { method: 'PUT', path: `${LIST}/${id}`, body: { new_status } }
      },
      bare: (database, n, client) => {
        const [transaction_id, new_status] = change(n, client)
        return changeStatus(database as Database, { transaction_id, new_status, ...WHO })
      },
    },
    {
      name: `change ${MANY} statuses`,
      request: (n, client) => {
        const { transaction_ids, new_status } = manyOf(change, n, client)
        return { method: 'POST', path: `${LIST}/status`, body: { transaction_ids, new_status } }
      },
      bare: (database, n, client) => {
        const { transaction_ids, new_status } = manyOf(change, n, client)
        const items = transaction_ids.map((transaction_id) => ({ transaction_id }))
        return changeStatuses(database as Database, { items, new_status, ...WHO })
      },
    },
    {
      name: 'rules',
      request: () => get('/api/v1/rules'),
      bare: ({ query }) => listRuleSets(query),
    },
    {
      name: 'models',
      request: () => get('/api/v1/models'),
      bare: ({ query }) => listModels(query),
    },
    {
      name: 'stats',
      request: () => get('/api/v1/stats'),
      bare: ({ query }) => Promise.all([countAnomalies(query), countByHour(query, new Date())]),
    },
  ]
}

const get = (path: string): Request => ({ method: 'GET', path })
const WHO = { actor: 'bench', request_id: 'bench' }

function parameters(filter: AnomalyFilter, after: ListedItem | undefined): URLSearchParams {
  const all = new URLSearchParams({ limit: String(LIMIT) })
  for (const [name, value] of Object.entries(filter)) all.set(name, String(value))
  // As the API fills the parameters that are not given.
  if (after !== undefined) all.set('cursor', nextCursor({ min_score: 0, order: 'score', ...filter }, after))
  return all
}

/** The item that the last full page of all anomalies comes behind: read from the other end. */
async function beforeLast(query: Query, order: Order): Promise<ListedItem | undefined> {
  const rank = order === 'score' ? '(- t.score)' : '(- expected_loss(t.amount, t.score))'
  const ends = STATUSES.map(
    (status) => `(SELECT ${rank} AS rank, t.timestamp, t.transaction_id FROM transactions t
      WHERE t.is_anomaly AND coalesce(t.status, 'NEW') = '${status}'
      ORDER BY ${rank} DESC, t.timestamp DESC, t.transaction_id DESC LIMIT ${LIMIT + 1})`,
  )
  const [item] = await query<ListedItem & pg.QueryResultRow>(
    `SELECT rank::text AS rank, to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS exact_time,
            transaction_id
     FROM (${ends.join(' UNION ALL ')}) t
     ORDER BY t.rank DESC, t.timestamp DESC, t.transaction_id DESC LIMIT 1 OFFSET ${LIMIT}`,
  )
  return item
}

type Change = readonly [id: string, status: 'INVESTIGATED' | 'FRAUD']

/** Each client has anomalies of its own, so that none waits for a row, and each change is one. */
function changesOf({ anomalies, clients }: Sizes): (n: number, client: number) => Change {
  const own = Math.floor(anomalies / clients)
  return (n, client) => {
    const status = Math.floor(n / own) % 2 === 0 ? 'INVESTIGATED' : 'FRAUD'
    return [anomalyId(1 + client * own + (n % own)), status]
  }
}

/** Others than those that are changed one by one. */
function manyOf(change: (n: number, client: number) => Change, n: number, client: number) {
  const changes = Array.from({ length: MANY }, (_, i) => change((n + FIRST_MANY) * MANY + i, client))
  return { transaction_ids: changes.map(([id]) => id), new_status: changes[0][1] }
}
