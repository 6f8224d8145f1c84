import pg from 'pg'
import { ROLE_NAMES, ROLES, type RoleName, TIMEOUTS } from '../../schemas/roles/roles.ts'

/** A role as the server has it. */
export interface ServerRole {
  name: RoleName
  can_log_in: boolean
  /** -1 for any number. */
  connections: number
  /** `name=value`. */
  settings: string[]
  /** Attributes that none of ours has, SUPERUSER say. */
  attributes: string[]
  comment: string | null
  /** Connections now. */
  sessions: number
}

export async function serverRoles(client: pg.ClientBase): Promise<ServerRole[]> {
  const { rows } = await client.query<ServerRole>(
    `SELECT rolname AS name, rolcanlogin AS can_log_in, rolconnlimit AS connections,
            coalesce(rolconfig, '{}') AS settings,
            array_remove(ARRAY[
              CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
              CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
              CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL) AS attributes,
            shobj_description(oid, 'pg_authid') AS comment,
            (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname) AS sessions
     FROM pg_roles WHERE rolname = ANY($1)`,
    [ROLE_NAMES],
  )
  return rows.toSorted((a, b) => ROLE_NAMES.indexOf(a.name) - ROLE_NAMES.indexOf(b.name))
}

/** What a role lacks of the timeouts that it is to have. What somebody has set otherwise counts as had. */
export const missingTimeouts = ({ name, settings }: Pick<ServerRole, 'name' | 'settings'>) =>
  TIMEOUTS.filter((timeout) => !settings.some((setting) => setting.startsWith(`${timeout}=`))).map(
    (timeout) => ({ timeout, value: ROLES[name].timeouts[timeout] }),
  )

export interface RoleChanges {
  made: RoleName[]
  changed: RoleName[]
}

/**
 * Makes the roles that are missing, and gives the others what they lack. A limit or a timeout that somebody has set stays.
 * @param connections limits that were asked for, which count in any case
 */
export async function bringLoginRoles(
  client: pg.ClientBase,
  connections: ReadonlyMap<RoleName, number>,
): Promise<RoleChanges> {
  const present = new Map((await serverRoles(client)).map((role) => [role.name, role]))
  const changes: RoleChanges = { made: [], changed: [] }
  for (const name of ROLE_NAMES) {
    const role = present.get(name)
    const statements = role === undefined ? making(name, connections) : changing(role, connections)
    for (const statement of statements) await client.query(statement)
    if (statements.length > 0) changes[role === undefined ? 'made' : 'changed'].push(name)
  }
  return changes
}

const id = pg.escapeIdentifier

function making(name: RoleName, connections: ReadonlyMap<RoleName, number>): string[] {
  const limit = connections.get(name) ?? ROLES[name].connections
  return [`CREATE ROLE ${id(name)} LOGIN CONNECTION LIMIT ${limit}`, ...timeoutsOf({ name, settings: [] })]
}

function changing(role: ServerRole, connections: ReadonlyMap<RoleName, number>): string[] {
  const asked = connections.get(role.name)
  const limit = asked ?? (role.connections === -1 ? ROLES[role.name].connections : role.connections)
  const parts = [
    ...(role.can_log_in ? [] : ['LOGIN']),
    ...role.attributes.map((attribute) => `NO${attribute}`),
    ...(limit === role.connections ? [] : [`CONNECTION LIMIT ${limit}`]),
  ]
  return [
    ...(parts.length > 0 ? [`ALTER ROLE ${id(role.name)} ${parts.join(' ')}`] : []),
    ...timeoutsOf(role),
  ]
}

const timeoutsOf = (role: Pick<ServerRole, 'name' | 'settings'>): string[] =>
  missingTimeouts(role).map(({ timeout, value }) => `ALTER ROLE ${id(role.name)} SET ${timeout} = '${value}'`)
