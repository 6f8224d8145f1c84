import { randomBytes } from 'node:crypto'
import type { Settings } from '../schemas/settings.ts'
import { type Child, startChild } from './child.ts'

export interface ApiProcess {
  api: Child
  url: URL
  key: string
}

/** No limit may be what a call is refused for. */
const MANY = 1_000_000_000

/**
 * `weir api` in a process of its own, on any port of this machine, which logs every call as it does by default.
 * @param settings what is set otherwise
 */
export async function startApi(settings: Settings, signal: AbortSignal): Promise<ApiProcess> {
  const key = randomBytes(16).toString('hex')
  const listening = Promise.withResolvers<URL>()
  const api = startChild({
    file: 'deploy/weir.ts',
    args: ['api'],
    settings: {
      ...settings,
      API_KEY: key,
      HOST: '127.0.0.1',
      PORT: 0,
      LOG_LEVEL: 'info', // tells the port
      RATE_LIMIT_HEALTH: MANY,
      RATE_LIMIT_READ: MANY,
      RATE_LIMIT_WRITE: MANY,
    },
    onLine: (line) => {
      const found = /"url":"([^"]+)","msg":"the API listens"/.exec(line)?.[1]
      if (found !== undefined) listening.resolve(new URL(found))
    },
    signal,
  })
  try {
    return { api, url: await Promise.race([listening.promise, api.died]), key }
  } catch (error) {
    await api.kill()
    throw error
  }
}

/** Only PostgreSQL is needed: nobody listens where the others would be. */
export const withoutKafka = (settings: Settings): Settings => ({
  ...settings,
  KAFKA_BROKERS: ['127.0.0.1:1'],
  SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1',
})
