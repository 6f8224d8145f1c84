import pg from 'pg'
import { applyGrants } from '../../schemas/roles/apply-grants.ts'
import { tablesOwner, textOf } from '../../schemas/roles/privileges.ts'
import { OWNER, ROLE_NAMES, type RoleName } from '../../schemas/roles/roles.ts'
import { asOwner } from './as-owner.ts'
import { bringLoginRoles, type RoleChanges } from './login-roles.ts'
import type { PasswordFiles } from './password-files.ts'
import { applyPasswords } from './passwords.ts'
import { takeOver } from './take-over.ts'

export interface ApplyOptions {
  /** Undefined leaves all passwords as they are. */
  files?: PasswordFiles
  /** The DATABASE_URL of the client: a role's differs from it by name and password. */
  url: string
  connections: ReadonlyMap<RoleName, number>
  /** Tables of another owner become fraud_owner's. */
  takeOver: boolean
}

export interface Applied extends RoleChanges {
  passwords: RoleName[]
  granted: string[]
  revoked: string[]
  /** How many tables and routines were handed over, and by whom they were owned. */
  taken_over: { from: string; things: number } | null
  is_migrated: boolean
  /** What could not be done, and who has to do it. */
  notes: string[]
}

/** Whoever uses a table now is not to be kept waiting for long. */
const LOCK_TIMEOUT = '10s'

/**
 * Makes the roles of the server and gives them their rights in this database, all or nothing. Twice does no harm.
 * @param client an administrator's: a superuser's, or that of a role with CREATEROLE that owns the database
 * @throws when he may not, or when the tables are another one's and are not to be taken over
 */
export async function apply(client: pg.ClientBase, options: ApplyOptions): Promise<Applied> {
  await client.query('BEGIN')
  try {
    await client.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`)
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.roles'))`)
    const applied = await applyAll(client, options)
    await client.query('COMMIT')
    return applied
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    throw error
  }
}

async function applyAll(client: pg.ClientBase, options: ApplyOptions): Promise<Applied> {
  await requireAdministrator(client)
  const changes = await bringLoginRoles(client, options.connections)
  const passwords = options.files
    ? await applyPasswords(client, options.files, ROLE_NAMES, changes.made, options.url)
    : []
  await openDatabase(client)
  const notes = await letReadStatistics(client)
  const owner = await tablesOwner(client)
  const rest = { ...changes, passwords, notes, is_migrated: owner !== null }
  if (owner === null) return { ...rest, granted: [], revoked: [], taken_over: null }
  const things = owner === OWNER ? 0 : await takeOverFrom(client, owner, options.takeOver)
  const { missing, extra } = await asOwner(client, () => applyGrants(client))
  const taken_over = things === 0 ? null : { from: owner, things }
  return { ...rest, granted: missing.map(textOf), revoked: extra.map(textOf), taken_over }
}

async function requireAdministrator(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string; may: boolean }>(
    `SELECT rolname AS name, rolsuper OR rolcreaterole AND pg_has_role(datdba, 'USAGE') AS may
     FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()`,
  )
  if (!rows[0].may)
    throw new Error(
      `${rows[0].name} (DATABASE_URL) may not make roles: use a superuser's DATABASE_URL for this command, or that of a ` +
        'role with CREATEROLE that owns the database',
    )
}

/** The database and the schema are open to our roles, and to nobody else. */
async function openDatabase(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name')
  const database = pg.escapeIdentifier(rows[0].name)
  const roles = ROLE_NAMES.map((name) => pg.escapeIdentifier(name)).join(', ')
  for (const statement of [
    `REVOKE ALL ON DATABASE ${database} FROM PUBLIC`,
    `GRANT CONNECT ON DATABASE ${database} TO ${roles}`,
    'REVOKE ALL ON SCHEMA public FROM PUBLIC',
    `GRANT USAGE ON SCHEMA public TO ${roles}`,
    `GRANT CREATE ON SCHEMA public TO ${pg.escapeIdentifier(OWNER)}`,
  ])
    await client.query(statement)
}

/** Exporters count the sessions of all. The texts of their queries, which it lets read too, have no data of accounts. */
async function letReadStatistics(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT pg_has_role('fraud_metrics', 'pg_read_all_stats', 'USAGE') AS may`,
  )
  if (rows[0].may) return []
  await client.query('SAVEPOINT statistics')
  try {
    await client.query('GRANT pg_read_all_stats TO fraud_metrics')
    return []
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error
    await client.query('ROLLBACK TO SAVEPOINT statistics')
    return ['a superuser has to run: GRANT pg_read_all_stats TO fraud_metrics']
  }
}

async function takeOverFrom(client: pg.ClientBase, owner: string, isAsked: boolean): Promise<number> {
  if (!isAsked)
    throw new Error(
      `the tables are ${owner}'s. --take-over hands them to ${OWNER}: after that ${owner} may do nothing with them, so ` +
        'stop what runs as it first, and start it again with the URL of its role. Nothing was changed.',
    )
  return takeOver(client, owner)
}
