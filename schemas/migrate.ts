import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import type pg from 'pg'
import { withClient } from './database.ts'
import type { Logger } from './log.ts'

const directory = fileURLToPath(new URL('./sql', import.meta.url))
const TABLE = 'migrations'

/**
 * Brings the database to this version's schema. Twice does no harm; a second starter waits for the first.
 * @returns names of the migrations that were run now
 * @throws when the database has migrations that this version does not know (it is newer)
 */
export const migrate = (databaseUrl: string, log: Logger): Promise<string[]> =>
  withClient({ connectionString: databaseUrl, application_name: 'weir-migrate' }, async (client) => {
    await refuseNewer(client)
    const done = await runner({
      dbClient: client,
      dir: directory,
      direction: 'up',
      migrationsTable: TABLE,
      advisoryLockMode: 'wait',
      singleTransaction: true,
      logger: {
        info: (m) => log.debug(m),
        warn: (m) => log.warn(m),
        error: (m) => log.error(m),
        debug: (m) => log.debug(m),
      },
    })
    return done.map((m) => m.name)
  })

async function refuseNewer(client: pg.Client): Promise<void> {
  const known = new Set(readdirSync(directory).map((file) => file.replace(/\.sql$/, '')))
  const exists = await client.query('SELECT to_regclass($1) IS NOT NULL AS yes', [TABLE])
  if (!exists.rows[0].yes) return
  const { rows } = await client.query<{ name: string }>(`SELECT name FROM ${TABLE} ORDER BY id`)
  const unknown = rows.map((r) => r.name).filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new Error(
      `the database is newer than this version of Weir: it has ${unknown.join(', ')}. ` +
        'Use the version that made it, or another database.',
    )
  }
}
