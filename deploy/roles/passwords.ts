import pg from 'pg'
import type { RoleName } from '../../schemas/roles/roles.ts'
import { newPassword, type PasswordFiles } from './password-files.ts'
import { isVerifierOf, scramVerifier } from './scram.ts'

/** A comment on the role tells when its password was set: PostgreSQL keeps no time of it. */
const NOTE = 'Weir: password set '

/** @returns null when the comment does not tell */
export function passwordTime(comment: string | null): Date | null {
  const at = new Date(comment?.startsWith(NOTE) ? comment.slice(NOTE.length) : Number.NaN)
  return Number.isNaN(at.getTime()) ? null : at
}

/** Sets a role's password. Within a transaction of the client. */
export async function setPassword(client: pg.ClientBase, role: RoleName, password: string): Promise<void> {
  const name = pg.escapeIdentifier(role)
  const note = pg.escapeLiteral(NOTE + new Date().toISOString())
  await client.query(`ALTER ROLE ${name} PASSWORD ${pg.escapeLiteral(scramVerifier(password))}`)
  await client.query(`COMMENT ON ROLE ${name} IS ${note}`)
}

/**
 * Gives roles the passwords of the files. A role that has just been made, and has no file, gets a new one; any other role
 * without a file keeps the password that it has.
 * @param made roles that have just been made
 * @returns whose password was set; those that had it already are left as they are
 */
export async function applyPasswords(
  client: pg.ClientBase,
  files: PasswordFiles,
  roles: readonly RoleName[],
  made: readonly RoleName[],
): Promise<RoleName[]> {
  const kept = await verifiers(client, roles)
  const set: RoleName[] = []
  for (const role of roles) {
    const password = files.read(role) ?? (made.includes(role) ? generate(files, role) : undefined)
    if (password === undefined || isVerifierOf(kept.get(role) ?? '', password)) continue
    await setPassword(client, role, password)
    set.push(role)
  }
  return set
}

function generate(files: PasswordFiles, role: RoleName): string {
  const password = newPassword()
  files.write(role, password)
  return password
}

/** Only a superuser may read them; for anybody else each password counts as a new one. */
async function verifiers(client: pg.ClientBase, roles: readonly RoleName[]): Promise<Map<string, string>> {
  const { rows: right } = await client.query<{ may: boolean }>(
    `SELECT has_table_privilege('pg_authid', 'SELECT') AS may`,
  )
  if (!right[0].may) return new Map()
  const { rows } = await client.query<{ name: string; verifier: string }>(
    'SELECT rolname AS name, rolpassword AS verifier FROM pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL',
    [roles],
  )
  return new Map(rows.map(({ name, verifier }) => [name, verifier]))
}
