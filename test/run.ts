import { globSync } from 'node:fs'
import { basename } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { startServers } from '../deploy/local/servers.ts'
import { ALIASES, shape } from '../schemas/settings.ts'

/**
 * `npm test [-- name ...]`: the unit tests and the integration tests, or those whose file's name holds one of the
 * names. `npm run test:unit` leaves the integration tests out. The integration tests get one Kafka, registry and
 * PostgreSQL, started here whatever the environment names: tests never touch a database that is in use.
 */

const UNIT = 'test/unit/*.test.ts'
const INTEGRATION = 'test/integration/*.test.ts'
const HUNG_MS = 300_000

const USAGE = `npm test [-- name ...]
The unit tests and the integration tests, on real servers that are started here; with names only the files whose name holds
one of them. npm run test:unit [-- name ...] leaves the integration tests out.`

async function main(args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE)
    return 0
  }
  const onlyUnit = args[0] === 'unit'
  const names = onlyUnit ? args.slice(1) : args
  const matching = (pattern: string) =>
    globSync(pattern)
      .filter((file) => names.length === 0 || names.some((name) => basename(file).includes(name)))
      .sort()
  const unit = matching(UNIT)
  const integration = onlyUnit ? [] : matching(INTEGRATION)
  if (unit.length + integration.length === 0) {
    console.error(`No test file matches ${names.join(', ') || 'test/'}.`)
    return 1
  }
  const cacheDirectory = process.env.WEIR_CACHE_DIR
  forgetSettings()
  if (integration.length === 0) return runFiles(unit)

  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  try {
    return await withServers(cacheDirectory, end.signal, () =>
      runFiles([...unit, ...integration], { concurrency: 1, signal: end.signal }),
    )
  } catch (error) {
    if (!end.signal.aborted) throw error
    return 1
  }
}

/** What the environment sets, by whatever name, is not for the tests. */
function forgetSettings(): void {
  const names = new Set([...Object.keys(shape), ...Object.values(ALIASES)])
  for (const name of Object.keys(process.env))
    if (names.has(name) || names.has(name.replace(/_FILE$/, ''))) delete process.env[name]
}

async function withServers(
  cacheDirectory: string | undefined,
  signal: AbortSignal,
  use: () => Promise<number>,
): Promise<number> {
  await using servers = await startServers({
    settings: { WEIR_CACHE_DIR: cacheDirectory },
    progress: (line) => console.error(line),
    onServerEnd: (message) => console.error(message),
    signal,
  })
  if (servers.missing !== null) {
    console.error(`The integration tests need all servers. ${servers.missing}`)
    return 1
  }
  process.env.KAFKA_BROKERS = servers.KAFKA_BROKERS!.join(',')
  process.env.SCHEMA_REGISTRY_URL = servers.SCHEMA_REGISTRY_URL!
  process.env.DATABASE_URL = servers.DATABASE_URL
  if (cacheDirectory !== undefined) process.env.WEIR_CACHE_DIR = cacheDirectory
  // Without `await` the servers would be stopped first.
  return await use()
}

/** Runs each file in a process of its own; fails when one fails or hangs, or when none had a test that ran. */
async function runFiles(
  files: string[],
  { signal, ...options }: Parameters<typeof run>[0] = {},
): Promise<number> {
  let failed = 0
  let ran = 0
  const hung = new AbortController()
  // Node's own limit is one for each test: a file that hangs after its last test would stay for good.
  const watchdog = setTimeout(() => {
    console.error(`No test has ended for ${HUNG_MS / 1000} s: giving up.`)
    hung.abort()
  }, HUNG_MS)
  const stop = signal ? AbortSignal.any([signal, hung.signal]) : hung.signal
  const tests = run({ files, execArgv: ['--import', 'tsx'], signal: stop, ...options })
  tests.on('test:complete', () => watchdog.refresh())
  tests.on('test:fail', (test) => {
    if (test.todo === undefined) failed++
  })
  tests.on('test:pass', (test) => {
    // A file without tests is told as one test, named as the file.
    if (test.details.type !== 'suite' && test.skip === undefined && !files.includes(test.name)) ran++
  })
  for await (const text of tests.compose(spec)) process.stdout.write(text)
  clearTimeout(watchdog)
  if (ran + failed === 0) console.error('No test ran.')
  return failed > 0 || ran === 0 || stop.aborted ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
