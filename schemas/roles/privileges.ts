import pg from 'pg'
import { GRANTS } from './grants.ts'
import { OWNER, ROLE_NAMES, type RoleName } from './roles.ts'

/** What the catalogues of the database say of privileges, beside what `grants.ts` says. */

export interface Privilege {
  /** A role of ours, or PUBLIC. */
  role: string
  /** SELECT and so on. */
  privilege: string
  what: Kind
  name: string
  /** Null for all columns, and for what has none. */
  column: string | null
  /** Not the privilege itself, but that it may be handed on. */
  is_option?: boolean
}

type Kind = 'table' | 'sequence' | 'routine'

export interface Difference {
  missing: Privilege[]
  extra: Privilege[]
}

/** One for people: `fraud_api: UPDATE (status) on transactions`. */
export const textOf = ({ role, privilege, name, column, is_option }: Privilege): string =>
  `${role}: ${privilege}${column === null ? '' : ` (${column})`} on ${name}${is_option ? ' WITH GRANT OPTION' : ''}`

/** Those of our roles that the server has. */
export async function presentRoles(client: pg.ClientBase): Promise<RoleName[]> {
  const { rows } = await client.query<{ name: RoleName }>(
    'SELECT rolname AS name FROM pg_roles WHERE rolname = ANY($1) ORDER BY rolname',
    [ROLE_NAMES],
  )
  return rows.map((row) => row.name)
}

/** Who owns Weir's tables; null where there are none yet. */
export async function tablesOwner(client: pg.ClientBase): Promise<string | null> {
  const { rows } = await client.query<{ owner: string }>(
    `SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = to_regclass('public.transactions')`,
  )
  return rows.at(0)?.owner ?? null
}

/** What our roles and PUBLIC have otherwise than `grants.ts` says, on what the tables' owner has in the schema. */
export async function compareGrants(client: pg.ClientBase): Promise<Difference> {
  const granted = await grantedPrivileges(client)
  const wanted = await wantedPrivileges(client)
  const without = (list: Privilege[], other: Privilege[]) => {
    const known = new Set(other.map(textOf))
    return list.filter((privilege) => !known.has(textOf(privilege)))
  }
  return { missing: without(wanted, granted), extra: without(granted, wanted) }
}

/** Of the owner's things in the schema; an extension's are left out. */
const oursAre = (catalogue: 'pg_class' | 'pg_proc', prefix: 'rel' | 'pro') => `
  c.${prefix}namespace = 'public'::regnamespace
  AND c.${prefix}owner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.transactions'))
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = '${catalogue}'::regclass AND objid = c.oid AND deptype = 'e')`
const OUR_RELATIONS = `${oursAre('pg_class', 'rel')} AND c.relkind IN ('r', 'p', 'v', 'm', 'S')`
const OUR_ROUTINES = oursAre('pg_proc', 'pro')
const KIND = `CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END`

async function grantedPrivileges(client: pg.ClientBase): Promise<Privilege[]> {
  const { rows } = await client.query<Privilege>(
    `SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END AS role,
            privilege_type AS privilege, what, name, "column", is_option
     FROM (
       SELECT ${KIND} AS what, c.relname::text AS name, NULL AS "column", (aclexplode(c.relacl)).*
       FROM pg_class c WHERE ${OUR_RELATIONS}
       UNION ALL
       SELECT 'table', c.relname::text, a.attname::text, (aclexplode(a.attacl)).*
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE ${OUR_RELATIONS} AND NOT a.attisdropped
       UNION ALL
       SELECT 'routine', c.proname::text, NULL, (aclexplode(coalesce(c.proacl, acldefault('f', c.proowner)))).*
       FROM pg_proc c WHERE ${OUR_ROUTINES}
     ) granted, unnest(ARRAY[false, true]) AS is_option
     WHERE (grantee = 0 OR pg_get_userbyid(grantee) = ANY($1)) AND (is_grantable OR NOT is_option)`,
    [ROLE_NAMES.filter((name) => name !== OWNER)],
  )
  return rows
}

interface Thing {
  what: Kind
  name: string
  columns: string[]
}

async function thingsOf(client: pg.ClientBase): Promise<Thing[]> {
  const { rows } = await client.query<Thing>(
    `SELECT ${KIND} AS what, c.relname::text AS name,
            ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
     FROM pg_class c WHERE ${OUR_RELATIONS}
     UNION ALL
     SELECT 'routine', c.proname::text, '{}'::text[] FROM pg_proc c WHERE ${OUR_ROUTINES}`,
  )
  return rows
}

/** What is not there, since the database is not migrated so far, is left out. */
async function wantedPrivileges(client: pg.ClientBase): Promise<Privilege[]> {
  const things = await thingsOf(client)
  const present = await presentRoles(client)
  return present.flatMap((role) => (role === OWNER ? [] : wantedOf(role, things)))
}

function wantedOf(role: keyof typeof GRANTS, things: Thing[]): Privilege[] {
  const { tables, routines = [] } = GRANTS[role]
  const onTables = Object.entries(tables).flatMap(([name, texts]) =>
    things
      .filter((thing) => thing.what !== 'routine' && (name === '*' || thing.name === name))
      .flatMap((thing) => texts.flatMap((text) => privilegesOf(role, text, thing))),
  )
  const onRoutines = things
    .filter(({ what, name }) => what === 'routine' && routines.includes(name))
    .flatMap((thing) => privilegesOf(role, 'EXECUTE', thing))
  return [...onTables, ...onRoutines]
}

/** @param text `SELECT`, or `UPDATE (status, …)` */
function privilegesOf(role: string, text: string, { what, name, columns }: Thing): Privilege[] {
  const [, privilege, list] = /^([A-Z]+)(?: \((.+)\))?$/.exec(text)!
  const wanted = list?.split(', ').filter((column) => columns.includes(column)) ?? [null]
  return wanted.map((column) => ({ role, privilege, what, name, column }))
}

const id = pg.escapeIdentifier

const partOf = ({ privilege, what, name, column }: Privilege): string =>
  `${privilege}${column === null ? '' : ` (${id(column)})`} ON ${what.toUpperCase()} public.${id(name)}`

export const grantStatement = (privilege: Privilege): string =>
  `GRANT ${partOf(privilege)} TO ${id(privilege.role)}`

/** With what was handed on by it: ours are to give nobody anything. */
export const revokeStatement = (privilege: Privilege): string =>
  `REVOKE ${privilege.is_option ? 'GRANT OPTION FOR ' : ''}${partOf(privilege)} ` +
  `FROM ${privilege.role === 'PUBLIC' ? 'PUBLIC' : id(privilege.role)} CASCADE`
