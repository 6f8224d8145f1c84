import type pg from 'pg'
import { createClient } from '../../schemas/database.ts'
import { presentRoles } from '../../schemas/roles/privileges.ts'
import type { RoleName } from '../../schemas/roles/roles.ts'
import { newPassword, type PasswordFiles, urlFor } from './password-files.ts'
import { setPassword } from './passwords.ts'

export interface Rotated {
  role: RoleName
  /** Connections that were there: they go on. */
  sessions: number
}

/**
 * Gives a role a new password, and its file. PostgreSQL keeps one password a role, and asks for it only when a connection
 * begins: those that there are live on, and whoever reads the file anew for each new one needs no restart. The file is
 * replaced just before the commit, so the two differ for as long as that takes.
 * @param url the administrator's DATABASE_URL: the role's differs from it by name and password
 * @throws when there is no such role, or nobody can log in with the new password
 */
export async function rotate(
  client: pg.ClientBase,
  role: RoleName,
  files: PasswordFiles,
  url: string,
): Promise<Rotated> {
  if (!(await presentRoles(client)).includes(role))
    throw new Error(`the server has no role ${role}: \`npm run roles -- apply\` makes it`)
  // Read before anything is changed: this one comes back if the change fails.
  const old = files.read(role)
  const password = newPassword()
  await client.query('BEGIN')
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.roles'))`)
    await setPassword(client, role, password)
    write(files, role, password, url)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    if (old !== undefined && files.read(role) === password) write(files, role, old, url)
    throw error
  }
  const { rows } = await client.query<{ sessions: number }>(
    'SELECT count(*) AS sessions FROM pg_stat_activity WHERE usename = $1',
    [role],
  )
  await requireLogin(role, urlFor(role, password, url), files)
  return { role, sessions: rows[0].sessions }
}

function write(files: PasswordFiles, role: RoleName, password: string, url: string): void {
  files.write(role, password)
  if (files.hasUrl(role)) files.writeUrl(role, urlFor(role, password, url))
}

async function requireLogin(role: RoleName, url: string, files: PasswordFiles): Promise<void> {
  const client = createClient({ connectionString: url, application_name: 'weir-roles' })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (cause) {
    // The password is right where the server only has no room for another connection of the role.
    if ((cause as pg.DatabaseError).code === '53300') return
    throw new Error(
      `${role} has a new password, which is in ${files.directory}, and cannot log in with it: ${(cause as Error).message}. ` +
        'Does pg_hba.conf let it in from here, by scram-sha-256?',
      { cause },
    )
  } finally {
    client.end().catch(() => {})
  }
}
