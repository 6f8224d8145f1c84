import type { Logger } from '../../schemas/log.ts'
import type { ApiSettings } from '../context.ts'
import { accountTransactions } from '../sql/accounts.ts'
import { type Database, TooSlow, Unavailable } from '../sql/database.ts'
import type { Item } from '../sql/items.ts'

interface TimelineDeps {
  database: Database
  log: Logger
  /** What any statement of the API may take. */
  settings: Pick<ApiSettings, 'STATEMENT_TIMEOUT_MS'>
}

const LENGTH = 20
/** Of what any statement may take: until then an analyst waits for the whole page. */
const SHARE = 1 / 5

/**
 * The account's newest transactions for a page that is worth showing without them; null when they could not be read in
 * time. PostgreSQL ends the statement by itself: given up here only, it would keep its connection from others.
 */
export async function timelineInTime(
  { database, log, settings }: TimelineDeps,
  accountId: string,
  requestId: string,
): Promise<Item[] | null> {
  const limitMs = Math.ceil(settings.STATEMENT_TIMEOUT_MS * SHARE)
  try {
    return await database.transaction(async (query) => {
      await query(`SELECT set_config('statement_timeout', $1, true)`, [String(limitMs)])
      return accountTransactions(query, accountId, LENGTH)
    })
  } catch (error) {
    if (!(error instanceof TooSlow || error instanceof Unavailable)) throw error
    log.warn({ request_id: requestId, err: error }, 'a page is shown without its timeline')
    return null
  }
}
