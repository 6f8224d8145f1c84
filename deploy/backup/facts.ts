import type pg from 'pg'
import type { Facts, TableFacts } from './manifest.ts'

/** What a database holds, so that a restored one can be compared with it. */

/** Of a large table one row in so many tells its content, the others only that they are there. */
const SAMPLE = 64

/** Large tables, by the column whose value says whether a row is looked at. Of all others every row is. */
const SAMPLED_BY: Record<string, string> = { labels: 'id', checkpoint_pieces: 'piece' }
/** Months of transactions, attached or not, are known by theirs. */
const OF_A_MONTH = 'kafka_offset'

/** A row's text is over these settings; and no limit of the role's may end the work. */
const SESSION = `
  SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
  SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex';
  SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = '60s'`

/** Objects of the system's own are none of the backup's. */
export const OURS = `n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`

/** Begins a transaction that sees one moment and changes nothing, for {@link factsOf}. */
export async function beginSnapshot(client: pg.Client): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await client.query(SESSION)
}

/**
 * Reads all tables, within {@link beginSnapshot}'s transaction.
 * @throws when it is no database of Weir's
 */
export async function factsOf(client: pg.Client): Promise<Facts> {
  const rows = async <Row extends object>(text: string): Promise<Row[]> =>
    (await client.query<Row>(text)).rows
  const has = async (table: string): Promise<boolean> =>
    (await client.query('SELECT to_regclass($1) IS NOT NULL AS yes', [`public.${table}`])).rows[0].yes
  if (!((await has('migrations')) && (await has('transactions')))) {
    throw new Error(
      `the database ${client.database} is none of Weir's: it has no table migrations or transactions. Is DATABASE_URL ` +
        'the right one, and may its role read them?',
    )
  }
  // When the transaction began, just before its snapshot: so all that was committed before that time is in it.
  const [{ taken_at }] = await rows<{ taken_at: Date }>('SELECT now() AS taken_at')
  return {
    taken_at: taken_at.toISOString(),
    migrations: (await rows<{ name: string }>('SELECT name FROM public.migrations ORDER BY id')).map(
      (m) => m.name,
    ),
    tables: await tablesOf(client),
    positions: await rows(
      'SELECT topic, partition, next_offset, stored FROM public.positions ORDER BY topic, partition',
    ),
    sequences: await rows(
      `SELECT format('%I.%I', n.nspname, sequencename) AS name, last_value
       FROM pg_sequences JOIN pg_namespace n ON n.nspname = schemaname
       WHERE ${OURS} AND last_value IS NOT NULL ORDER BY 1`,
    ),
    audit: (await has('audit_head')) ? ((await rows<Link>(HEAD))[0] ?? NO_HEAD) : null,
    labels: (await has('labels')) ? (await rows<NonNullable<Facts['labels']>>(LABELS))[0] : null,
    roles: (await rows<{ rolname: string }>(ROLES)).map((role) => role.rolname),
  }
}

type Link = NonNullable<Facts['audit']>
const HEAD = `SELECT seq, encode(hash, 'hex') AS hash FROM public.audit_head`
/** Somebody has removed it, which verify tells. */
const NO_HEAD: Link = { seq: 0, hash: '0'.repeat(64) }

const LABELS = `
  SELECT count(*) FILTER (WHERE is_fraud) AS fraud, count(*) FILTER (WHERE NOT is_fraud) AS genuine,
         count(*) FILTER (WHERE is_fraud IS NULL) AS taken_back
  FROM public.labels`

/** Whoever something is granted to, but for the owner himself and PostgreSQL's own roles: a restore needs them all. */
const ROLES = `
  SELECT DISTINCT r.rolname FROM (
    SELECT (aclexplode(c.relacl)).grantee, c.relowner AS owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${OURS}
    UNION ALL
    SELECT (aclexplode(a.attacl)).grantee, c.relowner
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${OURS} AND a.attacl IS NOT NULL
    UNION ALL
    SELECT (aclexplode(p.proacl)).grantee, p.proowner
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${OURS}
    UNION ALL
    SELECT (aclexplode(n.nspacl)).grantee, n.nspowner FROM pg_namespace n WHERE ${OURS}
    UNION ALL
    SELECT (aclexplode(defaclacl)).grantee, defaclrole FROM pg_default_acl
    UNION ALL
    SELECT defaclrole, 0::oid FROM pg_default_acl
  ) granted JOIN pg_roles r ON r.oid = granted.grantee
  WHERE granted.grantee <> granted.owner AND r.rolname !~ '^pg_' ORDER BY 1`

interface Table {
  name: string
  relname: string
  is_month: boolean
}

/** Tables whose rows are in a dump: those that a crash of the server may empty are not. */
async function tablesOf(client: pg.Client): Promise<TableFacts[]> {
  const { rows: tables } = await client.query<Table>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relname,
            EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attname = $1 AND NOT a.attisdropped) AS is_month
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND ${OURS} ORDER BY 1`,
    [OF_A_MONTH],
  )
  const facts: TableFacts[] = []
  for (const { name, relname, is_month } of tables) {
    const column = is_month ? OF_A_MONTH : SAMPLED_BY[relname]
    const isSampled = column === undefined ? 'true' : `${column} % ${SAMPLE} = 0`
    // The names are quoted by the server; an alias, so that no column can have the same name.
    const { rows } = await client.query<Omit<TableFacts, 'name'>>(
      `SELECT count(*) AS rows, count(*) FILTER (WHERE ${isSampled}) AS sampled,
              coalesce(sum(('x' || left(md5(weir_row::text), 12))::bit(48)::bigint) FILTER (WHERE ${isSampled}), 0)::text
                AS digest
       FROM ${name} AS weir_row`,
    )
    facts.push({ name, ...rows[0] })
  }
  return facts
}
