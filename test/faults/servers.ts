import { startServers } from '../../deploy/local/servers.ts'
import { ALIASES, shape } from '../../schemas/settings.ts'
import type { Ctx } from './scenario.ts'

export type FaultServers = NonNullable<Ctx['servers']>

/** Starts servers that may be killed, whatever the environment names, and lets the harness know them. */
export async function withFaultServers(
  signal: AbortSignal,
  progress: (line: string) => void,
  use: (servers: FaultServers) => Promise<number>,
): Promise<number> {
  const cacheDirectory = process.env.WEIR_CACHE_DIR
  const names = new Set([...Object.keys(shape), ...Object.values(ALIASES)])
  for (const name of Object.keys(process.env))
    if (names.has(name.replace(/_FILE$/, ''))) delete process.env[name]
  await using servers = await startServers({ settings: { WEIR_CACHE_DIR: cacheDirectory }, progress, signal })
  const { kafka, postgres, directory, missing } = servers
  if (kafka === undefined || postgres === undefined) {
    progress(`The fault tests need all servers. ${missing}`)
    return 1
  }
  process.env.KAFKA_BROKERS = servers.KAFKA_BROKERS!.join(',')
  process.env.SCHEMA_REGISTRY_URL = servers.SCHEMA_REGISTRY_URL!
  process.env.DATABASE_URL = servers.DATABASE_URL
  if (cacheDirectory !== undefined) process.env.WEIR_CACHE_DIR = cacheDirectory
  // Without `await` the servers would be stopped first.
  return await use({ kafka, postgres, directory })
}
