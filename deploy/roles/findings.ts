import type pg from 'pg'
import { compareGrants, tablesOwner, textOf } from '../../schemas/roles/privileges.ts'
import { OWNER, ROLE_NAMES, ROLES, type RoleName } from '../../schemas/roles/roles.ts'
import { DAY } from '../../schemas/time.ts'
import { missingTimeouts, type ServerRole, serverRoles } from './login-roles.ts'
import { passwordTime } from './passwords.ts'

/** What is otherwise than designed. */
export interface Finding {
  kind: 'role' | 'missing' | 'extra' | 'public' | 'password' | 'member' | 'create' | 'owner' | 'function'
  message: string
}

/** What `apply` puts right itself. The rest is told: people do it, or they have wanted it so. */
const MENDED: ReadonlySet<Finding['kind']> = new Set(['role', 'missing', 'extra', 'public'])

export const isMended = ({ kind }: Finding): boolean => MENDED.has(kind)

export interface ShownRole {
  role: RoleName
  runs: string
  exists: boolean
  connections: number | null
  sessions: number
  password_set_at: Date | null
}

export interface Shown {
  roles: ShownRole[]
  findings: Finding[]
}

/** Passwords are to be changed after so long. */
const PASSWORD_DAYS = 180

/** The roles, and all that differs from their design. Any role that may connect can ask. */
export async function look(client: pg.ClientBase, now = new Date()): Promise<Shown> {
  const present = await serverRoles(client)
  const owner = await tablesOwner(client)
  const found = [
    ...present.flatMap((role) => ofRole(role, now)),
    ...(await memberships(client)),
    ...(await ofPublic(client)),
    ...(owner === null ? [notMigrated] : [...(await ofGrants(client)), ...(await ofOwners(client))]),
  ]
  const missing = ROLE_NAMES.filter((name) => !present.some((role) => role.name === name))
  return {
    roles: ROLE_NAMES.map((name) => shown(name, present.find((role) => role.name === name) ?? null)),
    findings: [...missing.map((name) => finding('role', `${name} is missing`)), ...found],
  }
}

const finding = (kind: Finding['kind'], message: string): Finding => ({ kind, message })

const notMigrated = finding('owner', `there are no tables yet: \`npm run migrate\` as ${OWNER} makes them`)

const shown = (name: RoleName, role: ServerRole | null): ShownRole => ({
  role: name,
  runs: ROLES[name].runs,
  exists: role !== null,
  connections: role?.connections ?? null,
  sessions: role?.sessions ?? 0,
  password_set_at: passwordTime(role?.comment ?? null),
})

function ofRole(role: ServerRole, now: Date): Finding[] {
  const { name, attributes, comment } = role
  const found = attributes.map((attribute) => finding('role', `${name} is ${attribute}`))
  if (!role.can_log_in) found.push(finding('role', `${name} cannot log in`))
  if (role.connections === -1) found.push(finding('role', `${name} has no limit of connections`))
  for (const { timeout } of missingTimeouts(role)) found.push(finding('role', `${name} has no ${timeout}`))
  const set = passwordTime(comment)
  const days = set === null ? 0 : Math.floor((now.getTime() - set.getTime()) / DAY)
  if (days > PASSWORD_DAYS)
    found.push(
      finding('password', `the password of ${name} is ${days} days old, ${PASSWORD_DAYS} at most: rotate it`),
    )
  return found
}

/**
 * What ours may do as another role, and who may do what ours may. From PostgreSQL 16 on an administrator who is no superuser
 * has the ADMIN option alone of what he has made: that is how he makes them.
 */
async function memberships(client: pg.ClientBase): Promise<Finding[]> {
  const { rows } = await client.query<{ member: string; granted: string }>(
    `SELECT DISTINCT m.rolname AS member, g.rolname AS granted
     FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid,
          to_jsonb(a) AS options
     WHERE (m.rolname = ANY($1) AND (m.rolname, g.rolname) <> ('fraud_metrics', 'pg_read_all_stats')
            OR g.rolname = ANY($1))
       AND NOT (m.rolcreaterole AND options @> '{"inherit_option": false, "set_option": false}')
     ORDER BY 1, 2`,
    [ROLE_NAMES],
  )
  return rows.map(({ member, granted }) => finding('member', `${member} is a member of ${granted}`))
}

/** What every role of the server may do here, and what ours may do with the database and the schema. */
async function ofPublic(client: pg.ClientBase): Promise<Finding[]> {
  const { rows } = await client.query<{ kind: 'public' | 'create'; message: string }>(
    `SELECT 'public' AS kind, format('PUBLIC: %s on the database', privilege_type) AS message
     FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = current_database() AND grantee = 0
     UNION ALL
     SELECT 'public', format('PUBLIC: %s on the schema public', privilege_type)
     FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE nspname = 'public' AND grantee = 0
     UNION ALL
     SELECT 'public', format('%s may not connect to the database', rolname)
     FROM pg_roles WHERE rolname = ANY($1) AND NOT has_database_privilege(oid, current_database(), 'CONNECT')
     UNION ALL
     SELECT 'public', format('%s may not use the schema public', rolname)
     FROM pg_roles WHERE rolname = ANY($1) AND NOT has_schema_privilege(oid, 'public', 'USAGE')
     UNION ALL
     SELECT 'create', format('%s may create things in the schema public', rolname)
     FROM pg_roles WHERE rolname = ANY($1) AND rolname <> $2 AND has_schema_privilege(oid, 'public', 'CREATE')`,
    [ROLE_NAMES, OWNER],
  )
  return rows.map(({ kind, message }) => finding(kind, message))
}

async function ofGrants(client: pg.ClientBase): Promise<Finding[]> {
  const { missing, extra } = await compareGrants(client)
  return [
    ...missing.map((privilege) => finding('missing', textOf(privilege))),
    ...extra.map((privilege) => finding('extra', textOf(privilege))),
  ]
}

/** Whose things are in the schema, and functions that run as their owner in whatever schemas the caller names. */
async function ofOwners(client: pg.ClientBase): Promise<Finding[]> {
  const { rows } = await client.query<{ owner: string; what: string; things: number }>(
    `SELECT pg_get_userbyid(owner) AS owner, what, count(*) AS things
     FROM (
       SELECT relowner AS owner, 'tables and views' AS what FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
       UNION ALL
       SELECT proowner, 'routines' FROM pg_proc p
       WHERE pronamespace = 'public'::regnamespace
         AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
     ) things WHERE pg_get_userbyid(owner) <> $1 GROUP BY 1, 2 ORDER BY 1, 2`,
    [OWNER],
  )
  const { rows: loose } = await client.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND prosecdef
       AND NOT EXISTS (SELECT FROM unnest(proconfig) setting WHERE setting LIKE 'search_path=%')`,
  )
  return [
    ...rows.map(({ owner, what, things }) =>
      finding('owner', `${things} ${what} belong to ${owner}, not to ${OWNER}`),
    ),
    ...loose.map(({ name }) => finding('function', `${name} runs as its owner without a search_path`)),
  ]
}
