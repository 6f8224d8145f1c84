import type pg from 'pg'
import { Counter, Histogram, type Registry } from 'prom-client'
import { sampledGauges, type Values } from '../schemas/sampled-gauge.ts'
import type { Entry } from './auth/stored-keys.ts'

/** What is looked at only when the metrics are read; null and undefined for what is not known. Nothing asks the database. */
interface Sampled {
  pool: Pick<pg.Pool, 'totalCount' | 'idleCount' | 'waitingCount' | 'options'> | null
  streamClients: () => number
  /** Valid keys of the table. */
  keys: () => Iterable<Pick<Entry, 'id' | 'expires_at' | 'replaced_by'>>
  /** Whether the database answered when it was last asked. */
  databaseUp?: boolean
  /** Rows of the audit when the database was last asked. */
  auditRows?: number
  audit?: AuditCheck
}

/** The last time that this process followed the audit's chain. */
export interface AuditCheck {
  /** Milliseconds since 1970. */
  at: number
  findings: number
}

/** Every metric of the API; label values come from closed lists. deploy/metrics.md lists them all. */
export function createApiMetrics(registry: Registry) {
  const registers = [registry]
  const sampled: Sampled = { pool: null, streamClients: () => 0, keys: () => [] }
  const call = ['method', 'route', 'status'] as const
  const metrics = {
    sampled,
    requests: new Counter({
      name: 'weir_http_requests_total',
      help: 'Requests answered, by method, pattern of the route and status.',
      labelNames: call,
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'weir_http_request_duration_seconds',
      help: 'Time from a request to its answer, in seconds.',
      labelNames: call,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    limited: new Counter({
      name: 'weir_http_limited_total',
      help: 'Calls refused with 429, by the limit that was used up.',
      labelNames: ['limit'] as const,
      registers,
    }),
    streamDropped: new Counter({
      name: 'weir_stream_dropped_total',
      help: 'Clients of the stream that were cut off because they read too slowly.',
      registers,
    }),
    streamEvents: new Counter({
      name: 'weir_stream_events_total',
      help: 'Events written to clients of the stream, by kind; one that two clients get counts twice.',
      labelNames: ['event'] as const,
      registers,
    }),
  }
  addSampled(registers, sampled)
  for (const limit of ['health', 'ready', 'read', 'write', 'failure']) metrics.limited.inc({ limit }, 0)
  for (const event of ['anomaly', 'status', 'reset']) metrics.streamEvents.inc({ event }, 0)
  return metrics
}

export type ApiMetrics = ReturnType<typeof createApiMetrics>

/** The statuses that alerts are about, at 0 for every route: so that the first failure of a route is an increase. */
export function nameRoutes(
  { requests }: ApiMetrics,
  routes: Iterable<{ method: string; path: string }>,
): void {
  for (const { method, path: route } of routes) {
    // Middleware is registered for all methods.
    if (method === 'ALL') continue
    for (const status of [200, 500, 503, 504]) requests.inc({ method, route, status }, 0)
  }
}

function addSampled(registers: Registry[], sampled: Sampled): void {
  const gauge = sampledGauges(registers)
  const ifKnown = (value: number | undefined): Values => (value === undefined ? [] : [['', value]])

  gauge('weir_database_pool_connections', 'Connections of the API to PostgreSQL, by state.', 'state', () => {
    const { totalCount, idleCount } = sampled.pool ?? { totalCount: 0, idleCount: 0 }
    return [
      ['busy', totalCount - idleCount],
      ['idle', idleCount],
    ]
  })
  gauge('weir_database_pool_waiting', 'Requests that wait for a connection.', null, () =>
    ifKnown(sampled.pool?.waitingCount),
  )
  gauge('weir_database_pool_size', 'The setting DATABASE_POOL_SIZE.', null, () =>
    ifKnown(sampled.pool?.options.max),
  )
  gauge(
    'weir_database_up',
    '1 if the database answered this process when it was last asked, else 0.',
    null,
    () => ifKnown(sampled.databaseUp === undefined ? undefined : Number(sampled.databaseUp)),
  )
  gauge('weir_stream_clients', 'Clients of the stream of events.', null, () => [
    ['', sampled.streamClients()],
  ])
  gauge(
    'weir_api_key_expiry_timestamp_seconds',
    'When a valid API key of the table expires, in seconds since 1970, by its id.',
    'key',
    () => [...sampled.keys()].flatMap(({ id, expires_at }) => (expires_at ? [[id, +expires_at / 1000]] : [])),
  )
  gauge(
    'weir_api_key_replaced',
    '1 for a valid API key whose place another one has taken: it is meant to expire.',
    'key',
    () => [...sampled.keys()].flatMap(({ id, replaced_by }) => (replaced_by === null ? [] : [[id, 1]])),
  )
  gauge('weir_audit_rows', 'Rows of the audit.', null, () => ifKnown(sampled.auditRows))
  gauge(
    'weir_audit_findings',
    'What was wrong with the audit’s chain when it was last followed; 0 if it was whole.',
    null,
    () => ifKnown(sampled.audit?.findings),
  )
  gauge('weir_audit_verified_timestamp_seconds', 'When the audit’s chain was last followed.', null, () =>
    ifKnown(sampled.audit === undefined ? undefined : sampled.audit.at / 1000),
  )
}
