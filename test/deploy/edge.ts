import type { Name } from '../../schemas/settings.ts'
import { controllableServers, type Scope } from '../harness.ts'
import { type ApiProcess, apiProcess } from '../support/api-process.ts'
import { type Answer, type CallOptions, type Nginx, startNginx } from './nginx-process.ts'

/** Two real processes of the API behind a real nginx. */

export const KEY = 'a-key-for-the-edge-only'

interface KeyedOptions extends CallOptions {
  /** Without the key. */
  bare?: boolean
}

export interface Edge extends Nginx {
  databaseUrl: string
  apis: ApiProcess[]
  call(path: string, options?: KeyedOptions): Promise<Answer>
  plain(path: string, options?: KeyedOptions): Promise<Answer>
}

/** Starts all of it; it is gone at the test's end. */
export async function edge(t: Scope, settings: Partial<Record<Name, string>> = {}): Promise<Edge> {
  const { DATABASE_URL } = await controllableServers(t)
  const env = {
    DATABASE_URL,
    API_KEY: KEY,
    NODE_ENV: 'production',
    TRUSTED_PROXIES: '1',
    ...settings,
    LOG_LEVEL: 'info',
  }
  const apis = await Promise.all([apiProcess(t, env), apiProcess(t, env)])
  const nginx = await startNginx(
    t,
    apis.map(({ url }) => Number(new URL(url).port)),
  )
  const keyed = ({ bare = false, headers, ...rest }: KeyedOptions = {}): CallOptions => ({
    ...rest,
    headers: { ...(!bare && { 'X-API-Key': KEY }), ...headers },
  })
  return {
    ...nginx,
    databaseUrl: DATABASE_URL,
    apis,
    call: (path, options) => nginx.call(path, keyed(options)),
    plain: (path, options) => nginx.plain(path, keyed(options)),
  }
}
