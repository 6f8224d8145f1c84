import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { controllableServers, query, type Scope, until } from '../harness.ts'
import type { Authority } from './certificates.ts'

/** A migrated PostgreSQL that takes its owner's connections over TLS only. */
export interface SecurePostgres {
  /** As the owner. @param parameters of the URL, e.g. `sslmode=require` */
  url(parameters: string): string
  /** As a user who must show a certificate of the authority with the name `certified`. */
  certifiedUrl(parameters: string): string
}

const HBA = `host    all postgres  127.0.0.1/32 scram-sha-256
hostssl all weir      127.0.0.1/32 scram-sha-256
hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-full
`

/** Starts one. Its certificate is for 127.0.0.1, and for no name. */
export async function startSecurePostgres(t: Scope, authority: Authority): Promise<SecurePostgres> {
  const { DATABASE_URL, directory } = await controllableServers(t)
  const superuser = new URL(DATABASE_URL)
  superuser.username = 'postgres'
  const ask = (text: string) => query(superuser.href, text)
  await ask(`CREATE ROLE certified LOGIN PASSWORD '${superuser.password}'`)

  const data = join(directory, 'postgres', 'data')
  const { cert, key } = authority.issue('postgres', 'IP:127.0.0.1')
  place(data, 'server.crt', readFileSync(cert))
  place(data, 'server.key', readFileSync(key))
  place(data, 'ca.crt', readFileSync(authority.ca))
  place(data, 'pg_hba.conf', HBA)
  await ask(`ALTER SYSTEM SET ssl_ca_file = 'ca.crt'`)
  await ask(`ALTER SYSTEM SET ssl = on`)
  await ask('SELECT pg_reload_conf()')
  const secure = withParameters(superuser, 'sslmode=require')
  await until(() => query(secure, 'SELECT 1'), { what: 'PostgreSQL to take TLS' })
  const certified = new URL(DATABASE_URL)
  certified.username = 'certified'
  return {
    url: (parameters) => withParameters(new URL(DATABASE_URL), parameters),
    certifiedUrl: (parameters) => withParameters(certified, parameters),
  }
}

/** A file of the server, which may run as another user. */
function place(data: string, name: string, content: string | Buffer): void {
  const { uid, gid } = statSync(data)
  const path = join(data, name)
  writeFileSync(path, content, { mode: 0o600 })
  chownSync(path, uid, gid)
}

function withParameters(url: URL, parameters: string): string {
  const other = new URL(url)
  other.search = parameters
  return other.href
}
