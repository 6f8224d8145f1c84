import type { Deps } from '../context.ts'
import type { Limits } from '../limits.ts'
import type { Database } from '../sql/database.ts'
import { createGuard, type Guard } from './guard.ts'
import { createKeys } from './keys.ts'
import { observeKeys } from './observe-keys.ts'
import { createSessions, type Sessions } from './session.ts'
import { createStoredKeys } from './stored-keys.ts'

/** Who may call: the environment's key, those of the table, and their sessions. */
export function createAuth(
  { settings, log, registry, onKeyNews, now = Date.now }: Deps,
  database: Database,
  limits: Limits,
): { guard: Guard; sessions: Sessions } {
  const stored = createStoredKeys(database.query, log, now)
  onKeyNews?.(stored.changed)
  observeKeys(registry, stored)
  const keys = createKeys(settings.API_KEY, stored)
  const sessions = createSessions(keys, settings.NODE_ENV === 'production', now)
  return { guard: createGuard(keys, sessions, limits, log), sessions }
}
