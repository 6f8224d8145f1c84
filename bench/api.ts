import { startServers } from '../deploy/local/servers.ts'
import { createPool } from '../schemas/database.ts'
import { createLogger } from '../schemas/log.ts'
import type { Settings } from '../schemas/settings.ts'
import { type Call, callsOf } from './api-calls.ts'
import { counter, type Load, loadApi, loadBare } from './api-load.ts'
import { startApi, withoutKafka } from './api-process.ts'
import { type ApiReport, type CallFigures, lastToFirst } from './api-report.ts'
import { fillTable } from './api-rows.ts'
import { freshDatabase, query } from './ground.ts'
import { currentLoad, describeHost } from './machine.ts'

export interface ApiOptions {
  rows: number
  anomalies: number
  accounts: number
  clients: number
  seconds: number
  /** Of each call, before it is measured. */
  warmUpSeconds: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** Each call of the API over a full table, beside its statements alone. */
export async function measureApi(options: ApiOptions): Promise<ApiReport> {
  const { rows, anomalies, accounts, clients, seconds, warmUpSeconds, settings, progress } = options
  const host = describeHost(currentLoad())
  await using stack = new AsyncDisposableStack()
  const end = new AbortController()
  const signal = AbortSignal.any([options.signal, end.signal])
  const servers = stack.use(await startServers({ settings: withoutKafka(settings), progress, signal }))
  const database = stack.use(await freshDatabase(servers.DATABASE_URL))
  await fillTable(database.url, options)
  const [{ database_mb, postgres }] = await query<{ database_mb: number; postgres: string }>(
    database.url,
    `SELECT pg_database_size(current_database()) / 1048576 AS database_mb, current_setting('server_version') AS postgres`,
  )
  const process = await startApi({ ...settings, DATABASE_URL: database.url }, signal)
  stack.use(process.api)
  const pool = createPool(
    {
      connectionString: database.url,
      application_name: 'weir-bench',
      statementTimeoutMs: settings.STATEMENT_TIMEOUT_MS,
      size: settings.DATABASE_POOL_SIZE,
    },
    createLogger('bench', 'silent'),
  )
  stack.defer(() => pool.end())
  stack.defer(() => end.abort())

  const load: Load = { clients, seconds, warmUpSeconds, signal }
  const read = async (text: string) => (await pool.query(text)).rows as never
  const calls: CallFigures[] = []
  for (const call of await callsOf(read, options)) {
    progress(`${call.name} ...`)
    const next = counter(clients)
    const api = await Promise.race([loadApi(process, call, next, load), process.api.died])
    const bare = hasBare(call) ? await loadBare(pool, call, next, load) : null
    calls.push({ name: call.name, ...api, bare })
  }
  return {
    calls,
    rows,
    anomalies,
    accounts,
    database_mb,
    clients,
    pool: settings.DATABASE_POOL_SIZE,
    seconds,
    last_to_first_page: lastToFirst(calls),
    host,
    postgres,
  }
}

const hasBare = (call: Call): call is Required<Call> => call.bare !== undefined
