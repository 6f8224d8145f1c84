import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import type pg from 'pg'
import { withClient } from './database.ts'
import type { Logger } from './log.ts'
import { applyGrants } from './roles/apply-grants.ts'
import { tablesOwner, textOf } from './roles/privileges.ts'
import { OWNER } from './roles/roles.ts'

const directory = fileURLToPath(new URL('./sql', import.meta.url))
const TABLE = 'migrations'

/**
 * Brings the database to this version's schema; as fraud_owner, the rights of the roles too (deploy/roles.md). Twice does
 * no harm; a second starter waits for the first.
 * @returns names of the migrations that were run now
 * @throws when the database has migrations that this version does not know (it is newer), or when fraud_owner is to own
 *   the tables and does not, or somebody else migrates
 */
export const migrate = (databaseUrl: string, log: Logger): Promise<string[]> =>
  withClient({ connectionString: databaseUrl, application_name: 'weir-migrate' }, async (client) => {
    await waitForTurn(client)
    const isOwner = await isOwners(client)
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
    if (isOwner) await grantToRoles(client, log)
    return done.map((m) => m.name)
  })

/** For as long as it takes, whatever timeouts the role has; what a migration then waits for is another matter. */
async function waitForTurn(client: pg.Client): Promise<void> {
  await client.query('SET lock_timeout = 0')
  await client.query('SET statement_timeout = 0')
  await client.query(`SELECT pg_advisory_lock(hashtext('weir.migrate'))`)
  await client.query('RESET lock_timeout')
}

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

/** Whether it is fraud_owner who migrates. @throws when the tables are his and it is somebody else, or the other way round */
async function isOwners(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ role: string }>('SELECT current_user::text AS role')
  const [{ role }] = rows
  const owner = await tablesOwner(client)
  if (owner !== null && owner !== role && [owner, role].includes(OWNER))
    throw new Error(
      owner === OWNER
        ? `the tables are ${OWNER}'s, and this is ${role}, who would own what is made now: migrate as ${OWNER}`
        : `the tables are ${owner}'s, not ${OWNER}'s: \`npm run roles -- apply --take-over\` hands them over`,
    )
  return role === OWNER
}

async function grantToRoles(client: pg.Client, log: Logger): Promise<void> {
  await client.query('BEGIN')
  try {
    const { missing, extra } = await applyGrants(client)
    await client.query('COMMIT')
    if (missing.length + extra.length > 0)
      log.info({ granted: missing.length, revoked: extra.map(textOf) }, 'the roles have their rights')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    throw error
  }
}
