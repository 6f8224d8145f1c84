import pg from 'pg'
import { OWNER } from '../../schemas/roles/roles.ts'

/**
 * Hands everything of one owner in the schema to fraud_owner. Takes each table for itself for a moment.
 * @returns how many tables, views and routines it was
 * @throws when a table is in use for longer than lock_timeout, or when the administrator is no superuser and not the
 *   owner's member
 */
export async function takeOver(client: pg.ClientBase, owner: string): Promise<number> {
  // What belongs to a table, a sequence or an index, goes with it; what belongs to an extension stays.
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('ALTER TABLE public.%I OWNER TO ', c.relname) AS statement
     FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
       AND pg_get_userbyid(c.relowner) = $1
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid
                       AND (deptype = 'e' OR c.relkind = 'S' AND deptype IN ('a', 'i')))
     UNION ALL
     SELECT format('ALTER ROUTINE public.%I(%s) OWNER TO ', p.proname, pg_get_function_identity_arguments(p.oid))
     FROM pg_proc p
     WHERE p.pronamespace = 'public'::regnamespace AND pg_get_userbyid(p.proowner) = $1
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')`,
    [owner],
  )
  for (const { statement } of rows) {
    try {
      await client.query(statement + pg.escapeIdentifier(OWNER))
    } catch (cause) {
      throw new Error(`${statement}${OWNER}: ${(cause as Error).message}. Nothing was changed.`, { cause })
    }
  }
  return rows.length
}
