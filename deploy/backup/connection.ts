/**
 * How PostgreSQL's programs reach a database: by their environment, which only this user can read; arguments can be read by
 * everybody on the machine.
 * @param databaseUrl as in DATABASE_URL
 */
export function connectionEnvironment(databaseUrl: string): Record<string, string> {
  const url = new URL(databaseUrl)
  const option = (name: string): string => url.searchParams.get(name) ?? ''
  const { PGPASSWORD = '', PGPASSFILE = '' } = process.env
  const variables = {
    PGHOST: option('host') || decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1'),
    PGPORT: url.port || option('port'),
    PGUSER: decodeURIComponent(url.username) || option('user'),
    PGPASSWORD: decodeURIComponent(url.password) || option('password') || PGPASSWORD,
    PGPASSFILE,
    PGDATABASE: databaseOf(url),
    PGSSLMODE: option('sslmode'),
    // To verify-full without a file the system's authorities are good: to PostgreSQL's programs only if they are told so.
    PGSSLROOTCERT: option('sslrootcert') || (option('sslmode') === 'verify-full' ? 'system' : ''),
    PGSSLCERT: option('sslcert'),
    PGSSLKEY: option('sslkey'),
    PGSSLNEGOTIATION: option('sslnegotiation'),
    PGCONNECT_TIMEOUT: '10',
    PGAPPNAME: 'weir-backup',
  }
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''))
}

const databaseOf = (url: URL): string => decodeURIComponent(url.pathname.slice(1))

/** The argument that names the database to pg_restore, which would else print SQL. */
export const databaseArgument = (databaseUrl: string): string =>
  `--dbname=dbname='${databaseOf(new URL(databaseUrl)).replaceAll(/[\\']/g, '\\$&')}'`

/** The same server's database of another name. */
export function withDatabase(databaseUrl: string, name: string): string {
  const url = new URL(databaseUrl)
  url.pathname = `/${encodeURIComponent(name)}`
  return url.href
}

/** For people: where, without who and by what password. */
export function placeOf(databaseUrl: string): string {
  const { PGHOST = 'localhost', PGPORT = '5432', PGDATABASE = '' } = connectionEnvironment(databaseUrl)
  return `${PGHOST}:${PGPORT}/${PGDATABASE}`
}
