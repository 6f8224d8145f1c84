import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { json } from 'node:stream/consumers'
import { currentValue, fileAdvice } from './setting-values.ts'
import type { Settings } from './settings.ts'
import { tlsAdvice } from './tls-advice.ts'
import { readTlsFiles, type TlsFiles } from './tls-files.ts'

type Security = 'SCHEMA_REGISTRY_USERNAME' | 'SCHEMA_REGISTRY_PASSWORD' | 'SCHEMA_REGISTRY_CA_FILE'

/** The settings by which the registry is reached; the URL alone: as it says. */
export type RegistryAccess = { SCHEMA_REGISTRY_URL: string } & Partial<Pick<Settings, Security>>

// No interface: the registry's client wants one with an index.
type Credentials = { username: string; password: string }

/** Its address without the user. */
export function registryAddress({ SCHEMA_REGISTRY_URL }: RegistryAccess): string {
  const url = new URL(SCHEMA_REGISTRY_URL)
  url.username = ''
  url.password = ''
  return url.href.replace(/\/$/, '')
}

/** Who we are there, as the settings say at this moment; undefined for nobody. */
export function registryCredentials(access: RegistryAccess): Credentials | undefined {
  const { SCHEMA_REGISTRY_USERNAME: username, SCHEMA_REGISTRY_PASSWORD: password } = access
  if (username !== undefined && password !== undefined)
    return { username, password: currentValue('SCHEMA_REGISTRY_PASSWORD', password) }
  const url = new URL(currentValue('SCHEMA_REGISTRY_URL', access.SCHEMA_REGISTRY_URL))
  if (url.username === '') return undefined
  return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
}

/**
 * Connections that trust the authority of SCHEMA_REGISTRY_CA_FILE; undefined where none is named.
 * @throws SettingsError when the file cannot be used
 */
export function registryAgent({ SCHEMA_REGISTRY_CA_FILE: path }: RegistryAccess): https.Agent | undefined {
  if (path === undefined) return undefined
  const files: TlsFiles = { ca: { setting: 'SCHEMA_REGISTRY_CA_FILE', path } }
  readTlsFiles(files)
  return new CurrentAgent(files)
}

/** Reads the files again for each connection. */
class CurrentAgent extends https.Agent {
  readonly #files: TlsFiles
  constructor(files: TlsFiles) {
    super()
    this.#files = files
  }
  override createConnection(...[options, callback]: Parameters<https.Agent['createConnection']>) {
    return super.createConnection({ ...options, ...readTlsFiles(this.#files) }, callback)
  }
}

/**
 * Asks the registry something.
 * @param path below its address
 * @returns its status, and its answer where that is JSON, else null
 * @throws when there is no answer in time
 */
export async function askRegistry(
  access: RegistryAccess,
  path: string,
  timeoutMs: number,
): Promise<{ status: number; body: unknown }> {
  const url = new URL(`${registryAddress(access)}/${path}`)
  const credentials = registryCredentials(access)
  const call = (url.protocol === 'https:' ? https : http).request(url, {
    agent: registryAgent(access),
    auth: credentials && `${credentials.username}:${credentials.password}`,
    signal: AbortSignal.timeout(timeoutMs),
  })
  call.on('error', () => {}) // one that comes after the answer began is told by its body
  call.end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  return { status: response.statusCode!, body: await json(response).catch(() => null) }
}

/**
 * Adds to an error of the registry's client what to do about it, where its cause is TLS or who we say that we are.
 * @returns the same error
 */
export function explainRegistry<E extends Error & { status?: number }>(error: E, access: RegistryAccess): E {
  const ofFile = fileAdvice('SCHEMA_REGISTRY_URL') ?? fileAdvice('SCHEMA_REGISTRY_PASSWORD')
  for (const advice of [registryAdvice(error, access), ofFile])
    if (advice !== undefined && !error.message.includes(advice)) error.message = `${error.message}. ${advice}`
  return error
}

const TLS_NAMES = {
  server: 'the schema registry',
  ca: 'SCHEMA_REGISTRY_CA_FILE',
  identity: 'what it asks for (Weir has no setting of a certificate for it)',
}

function registryAdvice(error: Error & { status?: number }, access: RegistryAccess): string | undefined {
  const user = registryCredentials(access)?.username
  if (error.status === 401)
    return user === undefined
      ? 'The schema registry asks for a user: set SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD.'
      : `The schema registry refuses ${user}: are SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD right?`
  if (error.status === 403)
    return `${user ?? 'Nobody in particular'} may not do that in the schema registry: READ of the subjects is needed, and WRITE to register schemas.`
  return tlsAdvice(error, TLS_NAMES)
}

/**
 * Asks whether it takes us at all. A registry that is away, or answers whatever else, is none of this: it is waited for.
 * @throws when it refuses us, or cannot be trusted, which waiting does not mend
 */
export async function refuseHopelessRegistry(access: RegistryAccess, timeoutMs: number): Promise<void> {
  const where = `the schema registry at ${registryAddress(access)} (SCHEMA_REGISTRY_URL) cannot be used`
  try {
    const { status } = await askRegistry(access, 'schemas/types', timeoutMs)
    if (status === 401) throw Object.assign(new Error('it answers 401'), { status })
  } catch (error) {
    const cause = error as Error & { status?: number }
    if (registryAdvice(cause, access) === undefined) return
    throw new Error(`${where}: ${explainRegistry(cause, access).message}`, { cause })
  }
}
