import { randomUUID } from 'node:crypto'
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/** A number of now, for Prometheus. */
export interface Gauge {
  name: string
  help: string
  value: number
}

/** In Prometheus' text format. */
export const gaugesText = (gauges: readonly Gauge[]): string =>
  gauges
    .map(({ name, help, value }) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`)
    .join('')

/**
 * Writes gauges for node_exporter's textfile collector, which runs as another user: the file is there whole, for all to
 * read whatever the umask is, or as it was.
 * @throws when the file cannot be written, naming it
 */
export function writeTextfile(path: string, gauges: readonly Gauge[]): void {
  // The collector reads *.prom only. Of two jobs at once, in containers say, each has its own.
  const unfinished = `${path}.${randomUUID()}.partial`
  try {
    writeFileSync(unfinished, gaugesText(gauges))
    chmodSync(unfinished, 0o644)
    renameSync(unfinished, path)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
}
