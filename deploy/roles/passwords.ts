import pg from 'pg'
import type { RoleName } from '../../schemas/roles/roles.ts'
import { newPassword, type PasswordFiles, urlFor } from './password-files.ts'
import { isVerifierOf, scramVerifier } from './scram.ts'
import { tryPassword } from './try-password.ts'

/** A comment on the role tells when its password was set: PostgreSQL keeps no time of it. */
const NOTE = 'Weir: password set '

/** @returns null when the comment does not tell */
export function passwordTime(comment: string | null): Date | null {
  const at = new Date(comment?.startsWith(NOTE) ? comment.slice(NOTE.length) : Number.NaN)
  return Number.isNaN(at.getTime()) ? null : at
}

/** Gives a role a new password, and notes when. Within a transaction of the client. */
export async function setPassword(client: pg.ClientBase, role: RoleName, password: string): Promise<void> {
  await alterPassword(client, role, password)
  const note = pg.escapeLiteral(NOTE + new Date().toISOString())
  await client.query(`COMMENT ON ROLE ${pg.escapeIdentifier(role)} IS ${note}`)
}

const alterPassword = (client: pg.ClientBase, role: RoleName, password: string) =>
  client.query(
    `ALTER ROLE ${pg.escapeIdentifier(role)} PASSWORD ${pg.escapeLiteral(scramVerifier(password))}`,
  )

/**
 * Gives roles the passwords of the files. A role that has just been made, and has no file, gets a new one; any other role
 * without a file keeps the password that it has.
 * @param made roles that have just been made
 * @param url the administrator's DATABASE_URL
 * @returns whose password was set, as far as is known: those that had it already are as they were, with the time of it
 */
export async function applyPasswords(
  client: pg.ClientBase,
  files: PasswordFiles,
  roles: readonly RoleName[],
  made: readonly RoleName[],
  url: string,
): Promise<RoleName[]> {
  const kept = await verifiers(client, roles)
  const set: RoleName[] = []
  for (const role of roles) {
    const password = files.read(role) ?? (made.includes(role) ? generate(files, role) : undefined)
    if (password === undefined) continue
    if (kept !== undefined || made.includes(role)) {
      if (isVerifierOf(kept?.get(role) ?? '', password)) continue
      await setPassword(client, role, password)
      set.push(role)
    } else if (await setAgain(client, role, password, url)) set.push(role)
  }
  return set
}

/**
 * Sets a password that may be the role's already, which this administrator may not see. A login tells whether it is, and then
 * it has its age still; but it is set in any case, since a server may let in whoever comes from here (`trust`).
 * @returns whether it may be another one than before
 */
async function setAgain(
  client: pg.ClientBase,
  role: RoleName,
  password: string,
  url: string,
): Promise<boolean> {
  const tried = await tryPassword(urlFor(role, password, url))
  await (tried.password === 'wrong' ? setPassword : alterPassword)(client, role, password)
  return tried.password !== 'right'
}

function generate(files: PasswordFiles, role: RoleName): string {
  const password = newPassword()
  files.write(role, password)
  return password
}

/** By role; undefined where we are no superuser, who alone may read them. */
async function verifiers(
  client: pg.ClientBase,
  roles: readonly RoleName[],
): Promise<Map<string, string> | undefined> {
  const { rows: right } = await client.query<{ may: boolean }>(
    `SELECT has_table_privilege('pg_authid', 'SELECT') AS may`,
  )
  if (!right[0].may) return undefined
  const { rows } = await client.query<{ name: string; verifier: string }>(
    'SELECT rolname AS name, rolpassword AS verifier FROM pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL',
    [roles],
  )
  return new Map(rows.map(({ name, verifier }) => [name, verifier]))
}
