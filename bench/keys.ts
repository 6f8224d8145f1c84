import { setImmediate as breathe } from 'node:timers/promises'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { readClient } from '../api/auth/client.ts'
import { createAuth } from '../api/auth/create.ts'
import { createKeyText, hashOf } from '../api/auth/key-text.ts'
import type { Env } from '../api/context.ts'
import { requestIds } from '../api/headers.ts'
import { createLimits } from '../api/limits.ts'
import { createApiMetrics } from '../api/metrics.ts'
import { problemHandler } from '../api/problems.ts'
import type { Database, Query } from '../api/sql/database.ts'
import { createPool } from '../schemas/database.ts'
import { createLogger } from '../schemas/log.ts'
import { loadSettings } from '../schemas/settings.ts'
import { type KeysReport, KINDS, type Kind, summariseKeys } from './keys-report.ts'
import { currentLoad, describeHost } from './machine.ts'

export interface KeysOptions {
  /** Calls of each kind that are timed. */
  rounds: number
  /** Valid keys in the table. */
  keys: number
  progress: (line: string) => void
  signal: AbortSignal
}

/** Calls of each kind before that, which do not count. */
const WARM_UP = 2000
/** Rounds until others in this process get a turn, such as Ctrl-C. */
const TURN = 100

const STATUS: Record<Kind, number> = { right: 204, wrong_secret: 401, unknown_id: 401, malformed: 401 }

/** Times calls with right and wrong keys through the guard, in this process, the kinds in another order in each round. */
export async function measureKeys({ rounds, keys, progress, signal }: KeysOptions): Promise<KeysReport> {
  const host = describeHost(currentLoad())
  const stored = Array.from({ length: keys }, createKeyText)
  const call = guarded(stored)
  const times = Object.fromEntries(KINDS.map((kind) => [kind, new Float64Array(rounds)])) as Record<
    Kind,
    Float64Array
  >
  progress(`${rounds.toLocaleString('en-US')} calls of each kind ...`)
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const kind of shuffled(KINDS)) {
      const text = textOf(kind, stored)
      const began = process.hrtime.bigint()
      const status = await call(text)
      const nanoseconds = Number(process.hrtime.bigint() - began)
      if (status !== STATUS[kind]) throw new Error(`${kind}: got ${status}; expected ${STATUS[kind]}`)
      if (round >= 0) times[kind][round] = nanoseconds / 1000
    }
    if (round % TURN === 0) await breathe()
    signal.throwIfAborted()
  }
  return summariseKeys(times, { rounds, keys, host })
}

/** What the API puts before a call, without a database: keys, sessions, the limit on wrong keys, the log, the answer. */
function guarded(stored: { id: string; text: string }[]): (key: string) => Promise<number> {
  const settings = loadSettings(['DATABASE_URL'], {
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
    API_KEY: createKeyText().text,
    RATE_LIMIT_FAILURES: '1000000000',
  })
  const log = createLogger('api', 'info', { write: () => {} })
  const registry = new Registry()
  const metrics = createApiMetrics(registry)
  // Never connected: all that is asked of the database is the list below.
  const pool = createPool(
    { connectionString: settings.DATABASE_URL, application_name: 'weir-bench', size: 1 },
    log,
  )
  const database = { query: tableOf(stored) } as Database
  const limits = createLimits({ settings, pool, log, metrics })
  const { guard } = createAuth({ settings, pool, log, registry }, metrics, database, limits)
  const app = new Hono<Env>()
  app.onError(problemHandler(log))
  app.use(requestIds(), readClient(0))
  app.get('/', guard.unlimited, (c) => c.body(null, 204))
  const bindings = { incoming: { socket: { remoteAddress: '192.0.2.1' } } }
  return async (key) => (await app.request('/', { headers: { 'X-API-Key': key } }, bindings)).status
}

function tableOf(stored: { id: string; text: string }[]): Query {
  const rows = stored.map(({ id, text }) => ({
    id,
    name: 'bench',
    scopes: ['metrics'],
    expires_at: null,
    secret_hash: hashOf(text),
  }))
  const secret = Buffer.alloc(32, 1)
  return (async (sql: string) => (sql.includes('api_secrets') ? [{ secret }] : rows)) as Query
}

/** Another text each time, so that none is quick for having been seen before. */
function textOf(kind: Kind, stored: { id: string; text: string }[]): string {
  const { id, text } = stored[Math.floor(Math.random() * stored.length)]
  const other = createKeyText().text
  const texts: Record<Kind, string> = {
    right: text,
    wrong_secret: `weir_${id}${other.slice(13)}`,
    unknown_id: other,
    malformed: `weer${other.slice(4)}`,
  }
  // As it comes from a socket: V8 would put together what was cut and joined only when it is read, which is timed.
  return Buffer.from(texts[kind], 'latin1').toString('latin1')
}

function shuffled<T>(values: readonly T[]): T[] {
  const order = [...values]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}
