import type { HttpBindings } from '@hono/node-server'
import type pg from 'pg'
import type { Registry } from 'prom-client'
import type { Logger } from '../schemas/log.ts'
import type { Needed } from '../schemas/settings.ts'
import type { ApiMetrics } from './metrics.ts'

export type ApiSettings = Needed<'DATABASE_URL'>

/** What the app is built from. */
export interface Deps {
  settings: ApiSettings
  pool: pg.Pool
  log: Logger
  registry: Registry
  /** Of that registry; made where there are none. */
  metrics?: ApiMetrics
  /** Set while the process stops: readiness is off and connections are closed after their answer. */
  lifecycle?: Lifecycle
  /** Calls back when keys may have changed; without it that is seen within three seconds. */
  onKeyNews?: (changed: () => void) => void
  /** Milliseconds since 1970; for tests. */
  now?: () => number
}

export interface Lifecycle {
  stopping: boolean
  /** Aborted when the process begins to stop: what would run on without an end ends then. */
  signal?: AbortSignal
}

/** What a key may do: GET and HEAD, changes, all of it, and the metrics. */
export const SCOPES = ['read', 'triage', 'admin', 'metrics'] as const
export type Scope = (typeof SCOPES)[number]

/** Who calls, once it is known. */
export interface Caller {
  kind: 'key' | 'session'
  /** What the caller's rate limit is counted under; holds no secret. */
  bucket: string
  /** How the audit names the caller. */
  actor: string
  /** What the key may do; its sessions, too. */
  scopes: ReadonlySet<Scope>
}

/** Where a request comes from. */
export interface Client {
  /** An IP address, or `unknown`. */
  address: string
  /** Whether a proxy of ours was asked by https. */
  https: boolean
}

/** Hono's types for this app. */
export interface Env {
  Bindings: Partial<HttpBindings>
  Variables: { requestId: string; client: Client; caller: Caller }
}
