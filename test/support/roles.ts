import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { type Applied, type ApplyOptions, apply } from '../../deploy/roles/apply.ts'
import { PasswordFiles, urlFor } from '../../deploy/roles/password-files.ts'
import { withClient } from '../../schemas/database.ts'
import { migrate } from '../../schemas/migrate.ts'
import type { RoleName } from '../../schemas/roles/roles.ts'
import { controllableServers, query, type Scope } from '../harness.ts'
import { quiet } from './topics.ts'

/** Roles are the server's: these tests have one of their own. */
export interface RolesServer {
  /** The superuser's URL of a database. */
  adminOf(database: string): string
  /** Of a role that `applyRoles` has made. */
  urlOf(role: RoleName, database: string): string
  /** PostgreSQL's log. */
  log: string
  /** The directory of passwords. */
  secrets: string
  /** The owner of a migrated database of the same name, who is no superuser: as in an installation with one role. */
  single: string
  applyRoles(database: string, options?: Partial<ApplyOptions>): Promise<Applied>
}

export async function rolesServer(t: Scope): Promise<RolesServer> {
  const { DATABASE_URL: single, directory } = await controllableServers(t)
  const secrets = mkdtempSync(join(tmpdir(), 'weir-roles-'))
  t.after(() => rmSync(secrets, { recursive: true }))
  const files = new PasswordFiles(secrets)
  // The local server's superuser has the same password.
  const adminOf = (database: string) => withDatabase(single.replace('//weir:', '//postgres:'), database)
  return {
    adminOf,
    urlOf: (role, database) => urlFor(role, files.read(role)!, adminOf(database)),
    log: join(directory, 'postgres.log'),
    secrets,
    single,
    applyRoles: (database, options = {}) =>
      withClient({ connectionString: adminOf(database), application_name: 'weir-test' }, (client) =>
        apply(client, {
          files,
          url: adminOf(database),
          connections: new Map(),
          takeOver: false,
          ...options,
        }),
      ),
  }
}

/** In a suite: a server for all of its tests. */
export function suiteServer(prepare: (server: RolesServer) => Promise<void>): void {
  const ends: (() => unknown)[] = []
  before(async () => prepare(await rolesServer({ after: (end) => void ends.push(end as () => unknown) })))
  after(async () => {
    for (const end of ends) await end()
  })
}

/** A new database with the roles and the tables of fraud_owner. */
export async function databaseWithRoles(server: RolesServer, name: string): Promise<void> {
  await query(server.adminOf('postgres'), `CREATE DATABASE ${name} TEMPLATE template0`)
  await server.applyRoles(name)
  await migrate(server.urlOf('fraud_owner', name), quiet)
}

export function withDatabase(url: string, database: string): string {
  const other = new URL(url)
  other.pathname = database
  return other.href
}
