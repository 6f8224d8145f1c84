import { once } from 'node:events'
import { Command } from 'commander'
import { loadSettings } from '../../schemas/settings.ts'
import { type LocalServers, startServers } from './servers.ts'

export function command(): Command {
  return new Command()
    .description(
      'Run a local Kafka, schema registry and PostgreSQL until Ctrl-C, and print the settings to copy. What is set ' +
        'already (KAFKA_BROKERS, SCHEMA_REGISTRY_URL, DATABASE_URL) is left alone.',
    )
    .option('--keep <directory>', 'keep the data in this directory; without it, it is deleted at the end')
    .option('--json', 'print the settings as JSON')
    .action(run)
}

async function run(options: { keep?: string; json?: boolean }): Promise<void> {
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end.abort())
  const failure = Promise.withResolvers<string>()
  try {
    await using servers = await startServers({
      settings: loadSettings(),
      keep: options.keep,
      progress: (line) => console.error(line),
      onServerEnd: failure.resolve,
      signal: end.signal,
    })
    report(servers, options)
    const failed = await Promise.race([failure.promise, once(end.signal, 'abort').then(() => null)])
    if (failed !== null) throw new Error(failed)
  } catch (error) {
    if (!end.signal.aborted) throw error
  }
}

function report(servers: LocalServers, options: { keep?: string; json?: boolean }): void {
  if (servers.missing !== null) console.error(servers.missing)
  console.log(options.json ? JSON.stringify(values(servers)) : lines(servers))
  const fate = options.keep === undefined ? ' and are deleted at the end' : ''
  console.error(
    `Running after ${servers.seconds.start.toFixed(1)} s; data and logs are in ${servers.directory}${fate}. Ctrl-C stops them.`,
  )
}

const values = (servers: LocalServers) => ({
  KAFKA_BROKERS: servers.KAFKA_BROKERS?.join(',') ?? null,
  SCHEMA_REGISTRY_URL: servers.SCHEMA_REGISTRY_URL,
  DATABASE_URL: servers.DATABASE_URL,
})

const lines = (servers: LocalServers): string =>
  Object.entries(values(servers))
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
