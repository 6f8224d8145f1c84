import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import { isLoopback } from './loopback.ts'
import { readTlsFiles, SYSTEM_CA, type TlsFile, type TlsFiles } from './tls-files.ts'

/**
 * What DATABASE_URL says of TLS, read here and not by pg, as PostgreSQL's own clients do: pg 8 takes every mode for
 * verify-full, pg 9 will not.
 * - disable: no TLS.
 * - require: encrypted, but whoever is on the way may pose as the server; with sslrootcert the same as verify-ca, as in libpq.
 * - verify-ca: the server's certificate is of the authority in sslrootcert, for whatever host.
 * - verify-full: and for this very host.
 */
const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof MODES)[number]

const KNOWN = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'] as const
/** Parameters that pg would pass over, or take for something else, though they are about security. */
const NOT_OURS = /^(ssl.*|requiressl|uselibpqcompat|channel_binding|gssencmode)$/

const isKnown = (name: string): boolean => (KNOWN as readonly string[]).includes(name)

/** @returns what is wrong with what it says of TLS; null where nothing is, or it is no URL at all */
export function databaseUrlFault(databaseUrl: string): string | null {
  if (!URL.canParse(databaseUrl)) return null
  const { searchParams } = new URL(databaseUrl)
  const given = (name: string) => searchParams.get(name)
  const stranger = [...searchParams.keys()].find((name) => NOT_OURS.test(name) && !isKnown(name))
  if (stranger !== undefined) return `${stranger} is not supported: sslmode=verify-full and sslrootcert are`
  const mode = given('sslmode')
  if (mode !== null && !(MODES as readonly string[]).includes(mode))
    return `sslmode is one of ${MODES.join(', ')} (what may fall back to less protects nobody)`
  const tls = KNOWN.slice(1).find((name) => given(name) !== null)
  if (tls !== undefined && (mode === null || mode === 'disable'))
    return `${tls} needs sslmode=verify-full, or another mode with TLS`
  if (mode === 'verify-ca' && given('sslrootcert') === null)
    return 'sslmode=verify-ca needs sslrootcert: anybody can have a certificate of a public authority'
  if (given('sslrootcert') === SYSTEM_CA && mode !== 'verify-full')
    return 'sslrootcert=system needs sslmode=verify-full'
  if ((given('sslcert') === null) !== (given('sslkey') === null)) return 'sslcert and sslkey go together'
  const negotiation = given('sslnegotiation')
  if (negotiation !== null && negotiation !== 'postgres' && negotiation !== 'direct')
    return 'sslnegotiation is postgres or direct'
  return null
}

/** What a URL without a fault says of TLS. */
export function sslModeOf(databaseUrl: string): SslMode {
  return (new URL(databaseUrl).searchParams.get('sslmode') ?? 'disable') as SslMode
}

/** Where it is: a name, an address or the folder of a Unix socket. Where the URL does not say it pg takes PGHOST, or this machine. */
export function databaseHost(databaseUrl: string): string {
  const { hostname, searchParams } = new URL(databaseUrl)
  // Of several pg takes the last.
  const host = searchParams.getAll('host').at(-1) || decodeURIComponent(hostname)
  return host || process.env.PGHOST || 'localhost'
}

/** Whether the database is on this machine, by a Unix socket or over loopback. */
export function isLocalDatabase(databaseUrl: string): boolean {
  const host = databaseHost(databaseUrl)
  return host.startsWith('/') || isLoopback(host)
}

/**
 * How pg is to connect, with the certificates of this moment.
 * @throws SettingsError when a file that the URL names cannot be used
 */
export function connectionTo(
  databaseUrl: string,
): Pick<pg.ClientConfig, 'connectionString' | 'ssl' | 'sslnegotiation'> {
  const url = new URL(databaseUrl)
  const files = tlsFilesOf(url.searchParams)
  const ssl = sslOf(sslModeOf(databaseUrl), files)
  const sslnegotiation = url.searchParams.get('sslnegotiation') === 'direct' ? 'direct' : 'postgres'
  // What stands in the URL would come before what is told beside it. Connections have names of Weir's, which it knows them by.
  for (const name of [...KNOWN, 'application_name']) url.searchParams.delete(name)
  return { connectionString: url.href, ssl, sslnegotiation }
}

function tlsFilesOf(parameters: URLSearchParams): TlsFiles {
  const file = (name: string): TlsFile | undefined => {
    const path = parameters.get(name)
    return path === null ? undefined : { setting: `DATABASE_URL (${name})`, path }
  }
  return { ca: file('sslrootcert'), cert: file('sslcert'), key: file('sslkey') }
}

function sslOf(mode: SslMode, files: TlsFiles): false | ConnectionOptions {
  // PGSSLMODE counts for pg where nothing is said.
  if (mode === 'disable') return false
  const material = readTlsFiles(files)
  if (mode === 'verify-full') return material
  if (material.ca === undefined) return { ...material, rejectUnauthorized: false }
  return { ...material, checkServerIdentity: () => undefined }
}
