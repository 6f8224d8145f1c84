import { withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import { type Settings, SettingsError } from '../../schemas/settings.ts'
import { validKeys } from '../sql/keys.ts'

/**
 * Without API_KEY the keys of the table are the only ones. A server that nobody can call is a mistake that must be seen at
 * the start; a database that is not there yet, or not migrated, is none.
 * @throws SettingsError when there is neither API_KEY nor a valid key in the table
 */
export async function requireSomeKey(
  settings: Settings & { DATABASE_URL: string },
  log: Logger,
): Promise<void> {
  if (settings.API_KEY !== undefined) return
  let count: number
  try {
    count = await countKeys(settings.DATABASE_URL)
  } catch (error) {
    log.warn({ err: error }, 'API_KEY is not set, and the keys of the database could not be read yet')
    return
  }
  if (count === 0)
    throw new SettingsError([
      'API_KEY: not set, and the database has no valid key; make one with `npm run keys -- create --name NAME`, or ' +
        'choose a secret of at least 16 characters, e.g. by `openssl rand -hex 24`',
    ])
}

const countKeys = (connectionString: string): Promise<number> =>
  withClient(
    { connectionString, application_name: 'weir-api', queryTimeoutMs: 5000 },
    async (client) => (await validKeys(async (text) => (await client.query(text)).rows)).length,
  )
