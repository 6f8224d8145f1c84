import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '../schemas/database.ts'
import type { Logger } from '../schemas/log.ts'
import { HOUR, MINUTE } from '../schemas/time.ts'
import { verifyStored } from './audit/snapshot.ts'
import type { ApiMetrics } from './metrics.ts'
import { auditLength } from './sql/audit.ts'
import { createDatabase, TooSlow, Unavailable } from './sql/database.ts'

/** What the metrics tell of the database, asked in the background: a scrape asks nothing. */
export interface WatchOptions {
  connectionString: string
  /** How often the audit's chain is followed, 0 = never. */
  auditVerifyHours: number
  metrics: Pick<ApiMetrics, 'sampled'>
  log: Logger
  /** Ends it. */
  signal: AbortSignal
}

const ASK_MS = 10_000
const LONGEST_ANSWER_MS = 3000
/** After a verification that failed, at most. */
const AGAIN_MS = 10 * MINUTE
/** A page of the audit that takes longer will not come. */
const PAGE_MS = 60_000

/** Both begin at once, and end with the signal. Nothing that fails here ends the process. */
export function watchDatabase(options: WatchOptions): void {
  void keepAsking(options)
  if (options.auditVerifyHours > 0) void keepVerifying(options)
}

/** By a connection of its own: a pool that is used up says nothing about the database. */
async function keepAsking({ connectionString, metrics, log, signal }: WatchOptions): Promise<void> {
  const pool = createPool(
    { connectionString, application_name: 'weir-api-watch', statementTimeoutMs: LONGEST_ANSWER_MS, size: 1 },
    log,
  )
  const { query } = createDatabase(pool, LONGEST_ANSWER_MS)
  while (!signal.aborted) {
    try {
      metrics.sampled.auditRows = await auditLength(query)
      metrics.sampled.databaseUp = true
    } catch (error) {
      // Whatever else it says, it is there.
      metrics.sampled.databaseUp = !(error instanceof Unavailable || error instanceof TooSlow)
    }
    await pause(ASK_MS, signal)
  }
  pool.end().catch(() => {})
}

async function keepVerifying({
  connectionString,
  auditVerifyHours,
  metrics,
  log,
  signal,
}: WatchOptions): Promise<void> {
  const everyMs = auditVerifyHours * HOUR
  // Not all replicas at once, and not while a process is just starting.
  await pause(Math.min(everyMs, MINUTE) * (0.5 + Math.random() / 2), signal)
  while (!signal.aborted) {
    let next = everyMs
    try {
      const { rows, findings } = await verifyStored({
        connectionString,
        application_name: 'weir-api-audit',
        queryTimeoutMs: PAGE_MS,
      })
      metrics.sampled.audit = { at: Date.now(), findings: findings.length }
      const found = findings.slice(0, 10).map(({ kind, seq, to }) => ({ kind, seq, to }))
      if (findings.length > 0)
        log.error({ rows, findings: findings.length, found }, 'the audit was altered: see `npm run audit`')
      else log.info({ rows }, 'the audit’s chain is whole')
    } catch (error) {
      log.warn({ err: error }, 'the audit could not be verified; will be tried again')
      next = Math.min(everyMs, AGAIN_MS)
    }
    await pause(next, signal)
  }
}

/** Ends early, and without an error, when the signal comes; does not keep the process. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal, ref: false }).catch(() => {})
