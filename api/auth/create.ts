import type { Deps } from '../context.ts'
import type { Limits } from '../limits.ts'
import type { ApiMetrics } from '../metrics.ts'
import type { Database } from '../sql/database.ts'
import { createGuard, type Guard } from './guard.ts'
import { createKeys } from './keys.ts'
import { createSessions, type Sessions } from './session.ts'
import { createStoredKeys } from './stored-keys.ts'

/** Who may call: the environment's key, those of the table, and their sessions. */
export function createAuth(
  { settings, log, onKeyNews, now = Date.now }: Deps,
  metrics: ApiMetrics,
  database: Database,
  limits: Limits,
): { guard: Guard; sessions: Sessions } {
  const stored = createStoredKeys(database.query, log, now)
  onKeyNews?.(stored.changed)
  metrics.sampled.keys = stored.lastKnown
  const keys = createKeys(settings.API_KEY, stored)
  const sessions = createSessions(keys, settings.NODE_ENV === 'production', now)
  return { guard: createGuard(keys, sessions, limits, log), sessions }
}
