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
const SLOWEST = 10

/**
 * Integration tests that run two files at a time, as unit tests do: they use databases and topics of their own, and measure no
 * time. The others have the machine for themselves.
 */
const BESIDE = new Set([
  'api',
  'api-bulk',
  'api-cursors',
  'api-decisions',
  'api-docs',
  'api-export',
  'api-faults',
  'api-few',
  'api-filters',
  'api-injection',
  'api-kills',
  'api-labels',
  'api-pages',
  'api-races',
  'audit',
  'audit-forgers',
  'backtest',
  'backup',
  'batch-cuts',
  'compiled',
  'connections',
  'database-pool',
  'database-tls',
  'dead-letters',
  'evolution',
  'migrate',
  'models',
  'other-avro',
  'produce',
  'replay',
  'roles',
  'roles-processes',
  'roles-rights',
  'timelines',
  'unusual-records',
])

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
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  const result: Result = { failed: 0, ran: 0 }
  try {
    await runFiles(unit, 2, end, result)
    if (integration.length > 0 && !end.signal.aborted) {
      await withServers(cacheDirectory, end.signal, async () => {
        const [beside, alone] = split(integration, (file) => BESIDE.has(basename(file, '.test.ts')))
        await runFiles(beside, 2, end, result)
        await runFiles(alone, 1, end, result)
      })
    }
  } catch (error) {
    if (!(end.signal.aborted || error instanceof Missing)) throw error
    if (error instanceof Missing) console.error(error.message)
    return 1
  }
  if (result.ran + result.failed === 0) console.error('No test ran.')
  return result.failed > 0 || result.ran === 0 || end.signal.aborted ? 1 : 0
}

/** A program that the servers need. */
class Missing extends Error {}

const split = <T>(values: T[], belongs: (value: T) => boolean): [T[], T[]] => [
  values.filter(belongs),
  values.filter((value) => !belongs(value)),
]

/** What the environment sets, by whatever name, is not for the tests. */
function forgetSettings(): void {
  const names = new Set([...Object.keys(shape), ...Object.values(ALIASES)])
  for (const name of Object.keys(process.env))
    if (names.has(name) || names.has(name.replace(/_FILE$/, ''))) delete process.env[name]
}

async function withServers(
  cacheDirectory: string | undefined,
  signal: AbortSignal,
  use: () => Promise<void>,
): Promise<void> {
  await using servers = await startServers({
    settings: { WEIR_CACHE_DIR: cacheDirectory },
    progress: (line) => console.error(line),
    onServerEnd: (message) => console.error(message),
    signal,
  })
  if (servers.missing !== null)
    throw new Missing(`The integration tests need all servers. ${servers.missing}`)
  process.env.KAFKA_BROKERS = servers.KAFKA_BROKERS!.join(',')
  process.env.SCHEMA_REGISTRY_URL = servers.SCHEMA_REGISTRY_URL!
  process.env.DATABASE_URL = servers.DATABASE_URL
  if (cacheDirectory !== undefined) process.env.WEIR_CACHE_DIR = cacheDirectory
  await use()
}

/** What became of all tests. */
interface Result {
  failed: number
  /** Those that passed, without what was skipped. */
  ran: number
}

/** Runs each file in a process of its own, and adds up what became of its tests. */
async function runFiles(
  files: string[],
  concurrency: number,
  end: AbortController,
  result: Result,
): Promise<void> {
  if (files.length === 0 || end.signal.aborted) return
  // Node's own limit is one for each test: a file that hangs after its last test would stay for good.
  const watchdog = setTimeout(() => {
    console.error(`No test has ended for ${HUNG_MS / 1000} s: giving up.`)
    end.abort()
  }, HUNG_MS)
  const seconds = new Map<string, number>()
  const execArgv = ['--import', 'tsx']
  const tests = run({ files, execArgv, concurrency, signal: end.signal })
  tests.on('test:complete', ({ name, details }) => {
    watchdog.refresh()
    // A file is told as a test, too.
    if (files.includes(name)) seconds.set(name, details.duration_ms / 1000)
  })
  tests.on('test:fail', (test) => {
    if (test.todo === undefined) result.failed++
  })
  tests.on('test:pass', (test) => {
    // A file without tests is told as one test, named as the file.
    if (test.details.type !== 'suite' && test.skip === undefined && !files.includes(test.name)) result.ran++
  })
  for await (const text of tests.compose(spec)) process.stdout.write(text)
  clearTimeout(watchdog)
  if (files.length > SLOWEST) tellSlowest(seconds)
}

function tellSlowest(seconds: ReadonlyMap<string, number>): void {
  const slowest = [...seconds].toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST)
  console.log(`The slowest files:\n${slowest.map(([file, s]) => `  ${s.toFixed(1)} s ${file}`).join('\n')}`)
}

process.exitCode = await main(process.argv.slice(2))
