import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { presentRoles } from '../../schemas/roles/privileges.ts'
import type { RoleName } from '../../schemas/roles/roles.ts'
import { newPassword, type PasswordFiles, urlFor } from './password-files.ts'
import { setPassword } from './passwords.ts'
import { type Tried, tryPassword } from './try-password.ts'

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
 * @param pauseMs between tries of a login, where the connection broke during the change
 * @throws when there is no such role, or nobody can log in with the new password
 */
export async function rotate(
  client: pg.ClientBase,
  role: RoleName,
  files: PasswordFiles,
  url: string,
  pauseMs = 1000,
): Promise<Rotated> {
  if (!(await presentRoles(client)).includes(role))
    throw new Error(`the server has no role ${role}: \`npm run roles -- apply\` makes it`)
  // Read before anything is changed: this one comes back if the change fails.
  const old = files.read(role)
  const password = newPassword()
  const putBack = () => {
    if (old !== undefined && files.read(role) === password) write(files, role, old, url)
  }
  await client.query('BEGIN')
  let sessions: number
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('weir.roles'))`)
    await setPassword(client, role, password)
    sessions = await sessionsOf(client, role)
    write(files, role, password, url)
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}) // the first error is the one to tell
    putBack()
    throw error
  }
  const commit = await client.query('COMMIT').catch((error: Error) => error)
  const failed = commit instanceof Error ? commit : null
  const logIn = urlFor(role, password, url)
  const tried = await tryUntilKnown(logIn, failed === null ? 1 : TRIES, pauseMs)
  if (tried.password === 'right') return { role, sessions }
  if (failed === null) throw refused(role, tried, files)
  if (tried.password === 'wrong') {
    putBack()
    throw failed
  }
  if (old !== undefined) files.keepOld(role, old)
  throw unclear(role, failed, files)
}

async function sessionsOf(client: pg.ClientBase, role: RoleName): Promise<number> {
  const { rows } = await client.query<{ sessions: number }>(
    'SELECT count(*) AS sessions FROM pg_stat_activity WHERE usename = $1',
    [role],
  )
  return rows[0].sessions
}

/** A server that has just ended a connection is back after a while, most likely. */
const TRIES = 20

/** Whether a new password is in force: of a COMMIT whose answer was lost only a login tells. */
async function tryUntilKnown(url: string, atMost: number, pauseMs: number): Promise<Tried> {
  let tried = await tryPassword(url)
  for (let tries = 1; tried.password === 'unknown' && tries < atMost; tries++) {
    await sleep(pauseMs)
    tried = await tryPassword(url)
  }
  return tried
}

function write(files: PasswordFiles, role: RoleName, password: string, url: string): void {
  files.write(role, password)
  if (files.hasUrl(role)) files.writeUrl(role, password, url)
}

const refused = (role: RoleName, { error }: Tried, files: PasswordFiles): Error =>
  new Error(
    `${role} has a new password, which is in ${files.directory}, and cannot log in with it: ${error?.message}. ` +
      'Does pg_hba.conf let it in from here, by scram-sha-256?',
    { cause: error },
  )

const unclear = (role: RoleName, cause: Error, files: PasswordFiles): Error =>
  new Error(
    `the connection was lost while the password of ${role} was changed (${cause.message}), and whether the new one counts ` +
      `could not be learnt. It is in ${files.directory}/${role}, the one before in ${files.directory}/${role}.old: keep ` +
      'the one by which the role can log in, and rotate it again',
    { cause },
  )
