import { query } from './harness.ts'

/** What the golden copy of the schema holds, in its order: a title, and a query whose one column is a line each. */
const PARTS: [title: string, sql: string][] = [
  [
    'columns',
    `SELECT format('%s.%s %s%s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
              CASE WHEN a.attnotnull THEN ' NOT NULL' END,
              ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid),
              CASE a.attidentity WHEN 'a' THEN ' ALWAYS IDENTITY' WHEN 'd' THEN ' BY DEFAULT IDENTITY' END) AS line
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY c.relname, a.attnum`,
  ],
  [
    'relations',
    `SELECT concat_ws(' ', relname, CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                                   WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' END,
              CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
              CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
              CASE WHEN relrowsecurity THEN 'row security' END, reloptions::text) AS line
     FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') ORDER BY relname`,
  ],
  [
    'constraints',
    `SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY conrelid::regclass::text, conname`,
  ],
  [
    'indexes',
    `SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' ORDER BY tablename, indexname`,
  ],
  [
    'functions',
    `SELECT pg_get_functiondef(oid) AS line FROM pg_proc WHERE pronamespace = 'public'::regnamespace
     ORDER BY proname, pg_get_function_identity_arguments(oid)`,
  ],
  [
    'triggers',
    `SELECT pg_get_triggerdef(t.oid) AS line FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
     WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal ORDER BY relname, tgname`,
  ],
  [
    'grants',
    `SELECT format('%s: %s %s', what, CASE grantee WHEN 0 THEN 'PUBLIC'::name ELSE pg_get_userbyid(grantee) END, string_agg(privilege_type, ', ' ORDER BY privilege_type)) AS line
     FROM (SELECT relname::text AS what, (aclexplode(relacl)).* FROM pg_class WHERE relnamespace = 'public'::regnamespace
           UNION ALL
           SELECT c.relname || '.' || attname, (aclexplode(attacl)).* FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
             WHERE relnamespace = 'public'::regnamespace
           UNION ALL
           SELECT proname || '()', (aclexplode(coalesce(proacl, acldefault('f', proowner)))).* FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
           UNION ALL
           SELECT 'schema public', (aclexplode(nspacl)).* FROM pg_namespace WHERE nspname = 'public'
           UNION ALL
           SELECT 'default privileges ' || defaclobjtype::text, (aclexplode(defaclacl)).* FROM pg_default_acl) AS granted
     GROUP BY what, grantee ORDER BY what, pg_get_userbyid(grantee)`,
  ],
]

/** The schema of a database as text, one thing a line, always in the same order. */
export async function describeSchema(databaseUrl: string): Promise<string> {
  const parts: string[] = []
  for (const [title, sql] of PARTS) {
    const rows = await query<{ line: string }>(databaseUrl, sql)
    parts.push(`-- ${title}\n${rows.map(({ line }) => line.trimEnd()).join('\n')}\n`)
  }
  return parts.join('\n')
}
