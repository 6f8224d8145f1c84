import { Registry } from 'prom-client'
import { createApp } from '../../api/app.ts'
import type { Deps } from '../../api/context.ts'
import { createPool } from '../../schemas/database.ts'
import { createLogger } from '../../schemas/log.ts'
import { loadSettings, type Name } from '../../schemas/settings.ts'

export const KEY = 'a-key-for-the-tests-only'

/** Nobody listens on port 1: without a database of its own, a test gets one that is down. */
const NO_DATABASE = 'postgres://weir@127.0.0.1:1/weir'

export interface AppOptions {
  env?: Partial<Record<Name, string>>
  deps?: Partial<Deps>
  /** Gets every log line. */
  lines?: string[]
}

/** The app without a socket. Its pool is `deps.pool`'s or one of its own; end it when it was used. */
export function testApp({ env = {}, deps = {}, lines = [] }: AppOptions = {}) {
  const settings = loadSettings(['DATABASE_URL'], {
    NODE_ENV: 'test',
    DATABASE_URL: NO_DATABASE,
    API_KEY: KEY,
    ...env,
  })
  const log = createLogger('api', 'trace', { write: (line: string) => void lines.push(line) })
  const pool = createPool(
    {
      connectionString: settings.DATABASE_URL,
      application_name: 'weir-test-api',
      statementTimeoutMs: settings.STATEMENT_TIMEOUT_MS,
      size: settings.DATABASE_POOL_SIZE,
    },
    log,
  )
  const app = createApp({ settings, pool, log, registry: new Registry(), ...deps })

  /** A call with the key, unless the headers say otherwise. */
  const call = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: RequestInit['body'],
  ) => app.request(path, { method, headers: { 'X-API-Key': KEY, ...headers }, body })
  /** A call without a key, as a browser or a stranger makes it, from an address. */
  const bare = (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: RequestInit['body'],
    remoteAddress = '192.0.2.1',
  ) => app.request(path, { method, headers, body }, { incoming: { socket: { remoteAddress } } })

  return { app, pool, call, bare, lines }
}

/** The body of an answer as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into it by names
export const json = async (answer: Response | Promise<Response>): Promise<any> => (await answer).json()

/** The pair of name and value of the cookie that an answer sets. */
export const cookieOf = (answer: Response): string => (answer.headers.get('set-cookie') ?? '').split(';')[0]
