import type { RunningApi } from '../../api/main.ts'
import type { RunningPipeline } from '../../pipeline/run.ts'
import type { LocalServers } from './servers.ts'

export interface Ready {
  api: RunningApi
  settings: { API_KEY: string }
  servers: LocalServers
  pipeline: RunningPipeline
  /** Sample transactions a second; null when a file is sent instead. */
  rate: number | null
}

/** What a newcomer needs next, in a box. */
export function readyBox({ api, settings, servers, pipeline, rate }: Ready): string {
  const traffic = rate === null ? 'the file is being sent' : `${rate} simulated transactions a second`
  const lines = [
    'Weir is ready.',
    '',
    `Page      ${api.url}/`,
    `Key       ${settings.API_KEY}`,
    `Metrics   ${pipeline.healthUrl}/metrics`,
    ...serverLines(servers),
    `Traffic   ${traffic}`,
    '',
    `curl -H 'X-API-Key: ${settings.API_KEY}' '${api.url}/api/v1/anomalies?limit=5'`,
    '',
    'Ctrl-C ends it all.',
  ]
  const width = Math.max(...lines.map((line) => line.length))
  const edge = '─'.repeat(width + 2)
  return [`┌${edge}┐`, ...lines.map((line) => `│ ${line.padEnd(width)} │`), `└${edge}┘`].join('\n')
}

/** As settings, for other commands: `npm run dead-letters`, say. */
function serverLines({ KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL, postgres }: LocalServers): string[] {
  // A database that was there before has a password that is not for the screen.
  const database = `Servers   DATABASE_URL${postgres ? `=${DATABASE_URL}` : ': yours'}`
  if (KAFKA_BROKERS === null) return [database, '          without Kafka: see above']
  return [
    database,
    `          KAFKA_BROKERS=${KAFKA_BROKERS.join()}`,
    `          SCHEMA_REGISTRY_URL=${SCHEMA_REGISTRY_URL}`,
  ]
}
