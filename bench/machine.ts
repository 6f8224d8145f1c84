import { readFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { type Ground, query } from './ground.ts'

export interface Host {
  platform: string
  cores: number
  cpu: string
  memory_gib: number
  node: string
  /** Processes that wanted a core in the minute before: above 1, others had a share of what was measured. */
  load_before: number
}

export interface Machine extends Host {
  postgres: string
  kafka: string
}

/** @param load asked before anything ran */
export const describeHost = (load: number): Host => ({
  platform: `${process.platform} ${process.arch}`,
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version.slice(1),
  load_before: load,
})

/** What the figures were measured on. Asked before anything runs, for the sake of the load. */
export async function describeMachine({ servers, settings }: Ground, load: number): Promise<Machine> {
  const [{ server_version }] = await query<{ server_version: string }>(
    settings.DATABASE_URL,
    'SHOW server_version',
  )
  return {
    ...describeHost(load),
    postgres: server_version,
    // Kafka's protocol does not tell the broker's version: only that of our own is known.
    kafka: servers.kafka === undefined ? 'not known' : localKafkaVersion(),
  }
}

export const currentLoad = (): number => Math.round(loadavg()[0] * 100) / 100

export const hostInWords = (h: Host): string =>
  `${h.cores} cores of ${h.cpu}, ${h.memory_gib} GiB, ${h.platform}, Node ${h.node}`

export const machineInWords = (m: Machine): string =>
  `${hostInWords(m)}, PostgreSQL ${m.postgres}, Kafka ${m.kafka}`

function localKafkaVersion(): string {
  const pom = readFileSync(new URL('../deploy/local/pom.xml', import.meta.url), 'utf8')
  return pom.match(/<artifactId>kafka_[\d.]+<\/artifactId>\s*<version>([^<]+)/)?.[1] ?? 'not known'
}
