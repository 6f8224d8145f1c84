import type pg from 'pg'
import {
  compareGrants,
  type Difference,
  grantStatement,
  presentRoles,
  revokeStatement,
} from './privileges.ts'
import { OWNER, type RoleName } from './roles.ts'

/**
 * Gives and takes until our roles, as far as the server has them, may do what `grants.ts` says, and PUBLIC nothing. Within a
 * transaction of the client, as fraud_owner.
 * @returns what was missing and what was too much
 * @throws when the session is another role's: it would own what is to come, or could grant nothing
 */
export async function applyGrants(client: pg.ClientBase): Promise<Difference> {
  const { rows } = await client.query<{ role: string }>('SELECT current_user::text AS role')
  if (rows[0].role !== OWNER) throw new Error(`grants are given by ${OWNER}, and this is ${rows[0].role}`)
  await run(client, defaultsFor(await presentRoles(client)))
  const { extra } = await compareGrants(client)
  await run(client, extra.map(revokeStatement))
  // Compared again: what is taken from a table is taken from its columns, too.
  const { missing } = await compareGrants(client)
  await run(client, missing.map(grantStatement))
  return { missing, extra }
}

/** For what is made between two migrations: the months of transactions. */
function defaultsFor(present: RoleName[]): string[] {
  const defaults = ['ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC']
  if (!present.includes('fraud_backup')) return defaults
  const forBackup = (what: string) =>
    `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON ${what} TO fraud_backup`
  return [...defaults, forBackup('TABLES'), forBackup('SEQUENCES')]
}

async function run(client: pg.ClientBase, statements: string[]): Promise<void> {
  if (statements.length > 0) await client.query(statements.join(';\n'))
}
