import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { withFreePorts } from './free-ports.ts'
import type { Guardian } from './guardian-client.ts'
import { javaEnvironment } from './java.ts'
import { untilReady } from './ready.ts'

const START_SECONDS = 60
const CONFLUENT_PATH = '/apis/ccompat/v7'

/** Starts the schema registry (Apicurio), on loopback, its schemas in a file. */
export function startRegistry(options: {
  guardian: Guardian
  java: string
  jar: string
  ports: number[] | undefined
  onEnd: (how: string) => void
}): Promise<{ url: string; ports: number[] }> {
  const directory = join(options.guardian.directory, 'registry')
  const temporary = join(directory, 'tmp')
  const log = join(directory, 'registry.log')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  mkdirSync(temporary, { recursive: true })
  return withFreePorts(1, options.ports, async (ports) => {
    const server = await options.guardian.spawn({
      command: options.java,
      // It has little to do: the quick compiler and the small collector halve its start.
      args: [
        '-Xmx256m',
        '-XX:TieredStopAtLevel=1',
        '-XX:+UseSerialGC',
        '-XX:-UsePerfData',
        `-Djava.io.tmpdir=${temporary}`,
        '-jar',
        options.jar,
      ],
      env: {
        ...javaEnvironment(),
        QUARKUS_HTTP_HOST: '127.0.0.1',
        QUARKUS_HTTP_PORT: String(ports[0]),
        QUARKUS_LOG_LEVEL: 'WARN',
        REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(directory, 'schemas')}`,
      },
      cwd: directory,
      log,
      stop: ['SIGTERM', 'SIGKILL'],
    })
    const url = `http://127.0.0.1:${ports[0]}${CONFLUENT_PATH}`
    await untilReady('the schema registry', server, log, START_SECONDS, async () => {
      const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(5000) })
      if (!response.ok) throw new Error(`status ${response.status}`)
      await response.json()
    })
    void server.exited.then(({ how }) => options.onEnd(how))
    return { url, ports }
  })
}
