import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import type { Settings } from '../../schemas/settings.ts'
import { downloadPrograms, findPrograms, type Programs } from './download.ts'
import { Guardian } from './guardian-client.ts'
import { findJava, findMaven } from './java.ts'
import { type KafkaServer, startKafka } from './kafka.ts'
import { newPassword, type PostgresServer, startPostgres } from './postgres.ts'
import { startRegistry } from './registry.ts'

export interface LocalServersOptions {
  /** What is set here is used as it is; what is not is started. */
  settings: Pick<Settings, 'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL' | 'WEIR_CACHE_DIR'>
  /** Directory to keep the data in; without it a temporary one is deleted on stop. */
  keep?: string
  /** Takes lines that tell how far it is. */
  progress?: (line: string) => void
  /** Told when a server ends that was not asked to. */
  onServerEnd?: (message: string) => void
  /** Gives the start up: what has been started is stopped, and the call rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface LocalServers extends AsyncDisposable {
  KAFKA_BROKERS: string[] | null
  SCHEMA_REGISTRY_URL: string | null
  DATABASE_URL: string
  /** Why there is no Kafka or registry, and how to get them; null when they are there. */
  missing: string | null
  /** How long it took. */
  seconds: { download: number; start: number }
  /** Where data and logs are. */
  directory: string
  /** For tests that end a server and start it again; absent when it was not started here. */
  postgres?: Pick<PostgresServer, 'stop' | 'start' | 'pid'>
  kafka?: Pick<KafkaServer, 'pid' | 'kill' | 'start'>
  /** Stops what was started, in less than 5 s. Twice does no harm. */
  stop(): Promise<void>
}

/** What must stay the same from one start on a kept directory to the next. */
interface Kept {
  password: string
  ports: { kafka?: number[]; registry?: number[]; postgres?: number[] }
}

/**
 * Runs a real Kafka, schema registry and PostgreSQL on this machine, those of them that the settings do not name.
 * All listen on 127.0.0.1 only and end with this process, however it ends.
 * @throws when one of them does not start, with the last lines of its log; nothing is left running then
 */
export async function startServers(options: LocalServersOptions): Promise<LocalServers> {
  const { signal } = options
  const guardian = await Guardian.start(options.keep === undefined ? null : resolve(options.keep))
  const abort = () => void guardian.close()
  signal?.addEventListener('abort', abort)
  try {
    signal?.throwIfAborted()
    const began = performance.now()
    const { java, programs, missing } = await preparePrograms(options, guardian)
    const downloaded = performance.now()
    const servers = await startAll(options, guardian, java, programs)
    signal?.throwIfAborted()
    const seconds = { download: (downloaded - began) / 1000, start: (performance.now() - downloaded) / 1000 }
    return { ...servers, missing, seconds, directory: guardian.directory }
  } catch (error) {
    await guardian.close()
    throw signal?.aborted ? signal.reason : error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

interface Prepared {
  java: string
  programs: Programs | null
  missing: string | null
}

/** Java and what runs on it, unless neither Kafka nor the registry is to be started. */
async function preparePrograms(
  { settings, progress }: LocalServersOptions,
  guardian: Guardian,
): Promise<Prepared> {
  if (settings.KAFKA_BROKERS && settings.SCHEMA_REGISTRY_URL)
    return { java: '', programs: null, missing: null }
  const cache = resolve(cacheDirectory(settings.WEIR_CACHE_DIR))
  const java = await findJava()
  const programs = findPrograms(cache)
  const maven = programs === null ? findMaven() : { command: '' }
  const lacks = [java, maven].flatMap((found) => ('missing' in found ? [found.missing] : []))
  if (!('command' in java && 'command' in maven))
    return { java: '', programs: null, missing: explain(lacks, settings) }
  return {
    java: java.command,
    programs: programs ?? (await downloadPrograms(cache, maven.command, guardian, progress)),
    missing: null,
  }
}

function explain(lacks: string[], settings: LocalServersOptions['settings']): string {
  const unset = (['KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'] as const).filter((name) => !settings[name])
  const what = { KAFKA_BROKERS: 'Kafka', SCHEMA_REGISTRY_URL: 'the schema registry' }
  return (
    `Without ${unset.map((name) => what[name]).join(' and ')}. ${lacks.join('. And ')}. ` +
    `Or set ${unset.join(' and ')} to servers that you have.`
  )
}

async function startAll(
  options: LocalServersOptions,
  guardian: Guardian,
  java: string,
  programs: Programs | null,
): Promise<Omit<LocalServers, 'missing' | 'seconds' | 'directory'>> {
  const { settings } = options
  const kept = readKept(guardian.directory)
  let stopping = false
  const common = (name: string) => ({
    guardian,
    onEnd: (how: string) => {
      if (!stopping) options.onServerEnd?.(`${name} ended (${how}); its log is in ${guardian.directory}`)
    },
  })
  const startsKafka = programs !== null && !settings.KAFKA_BROKERS
  const startsRegistry = programs !== null && !settings.SCHEMA_REGISTRY_URL
  const names = [
    startsKafka && 'Kafka',
    startsRegistry && 'the registry',
    !settings.DATABASE_URL && 'PostgreSQL',
  ]
  const starting = names.filter((name) => name !== false)
  if (starting.length > 0) options.progress?.(`Starting ${starting.join(', ')} ...`)
  const [kafka, registry, postgres] = await Promise.all([
    startsKafka
      ? startKafka({ ...common('Kafka'), java, jars: programs.kafka, ports: kept.ports.kafka })
      : null,
    startsRegistry
      ? startRegistry({
          ...common('the registry'),
          java,
          jar: programs.registryJar,
          ports: kept.ports.registry,
        })
      : null,
    settings.DATABASE_URL
      ? null
      : startPostgres({ ...common('PostgreSQL'), password: kept.password, ports: kept.ports.postgres }),
  ])
  const ports = { kafka: kafka?.ports, registry: registry?.ports, postgres: postgres?.ports }
  writeKept(guardian.directory, { password: kept.password, ports: { ...kept.ports, ...definedOf(ports) } })
  const stop = async () => {
    stopping = true
    await guardian.close()
  }
  return {
    KAFKA_BROKERS: kafka ? [kafka.address] : (settings.KAFKA_BROKERS ?? null),
    SCHEMA_REGISTRY_URL: registry?.url ?? settings.SCHEMA_REGISTRY_URL ?? null,
    DATABASE_URL: postgres?.url ?? settings.DATABASE_URL!,
    kafka: kafka ?? undefined,
    postgres: postgres ?? undefined,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const KEPT_FILE = 'installation.json'

function readKept(directory: string): Kept {
  try {
    return JSON.parse(readFileSync(join(directory, KEPT_FILE), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const kept: Kept = { password: newPassword(), ports: {} }
    // Before the database is made with it: a start that is cut short must not lose it.
    writeKept(directory, kept)
    return kept
  }
}

function writeKept(directory: string, kept: Kept): void {
  writeFileSync(join(directory, KEPT_FILE), JSON.stringify(kept), { mode: 0o600 })
}

const definedOf = <T extends object>(object: T): Partial<T> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>
