import { randomUUID } from 'node:crypto'
import type { Settings } from '../schemas/settings.ts'
import { accountsInTurn } from './accounts-in-turn.ts'
import { requireSpace } from './disk-space.ts'
import { addEarlierRows, emptyIntoPattern, roomBefore } from './earlier-rows.ts'
import { fillTopic } from './fill-topic.ts'
import { type FreshDatabase, type Ground, prepareGround, query } from './ground.ts'
import {
  type AccountsFigures,
  type GrowthFigures,
  type GrowthReport,
  type PipelineFigures,
  type SizeRun,
  summariseAccounts,
  summariseSize,
} from './growth-report.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { pipelineRate } from './pipeline-rate.ts'
import { transactions, type Workload } from './workload.ts'

export interface GrowthOptions {
  /** Of each run; at least as many as accounts where these are varied. */
  records: number
  runs: number
  /** Rows that are in the table already. */
  rows: number[]
  ids: Workload['ids'][]
  /** Numbers of accounts, over an empty table. */
  accounts: number[]
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** Of the runs over a table that has grown. */
const ACCOUNTS = 50_000

/** The rate with so many rows in the table, for each kind of ids, and with so many accounts. */
export async function measureGrowth(options: GrowthOptions): Promise<GrowthReport> {
  const { records, ids: kinds, accounts: counts, rows, runs } = options
  roomBefore({ records, accounts: ACCOUNTS })
  const load = currentLoad()
  await using servers = await prepareGround(options)
  if (servers.servers.postgres !== undefined) requireSpace(servers.servers.directory, Math.max(0, ...rows))
  const machine = await describeMachine(servers, load)
  const own = { ...options, settings: servers.settings }
  const growth: GrowthFigures[] = []
  for (const ids of rows.length === 0 ? [] : kinds)
    growth.push(...(await measureSizes({ records, accounts: ACCOUNTS, ids }, own)))
  const accounts: AccountsFigures[] = []
  for (const count of counts) accounts.push(await measureAccounts(count, own))
  return { growth, accounts, records, runs, lanes: own.settings.LANES, machine }
}

/** One kind of ids: the same records over tables of all sizes, each beside an empty one. */
async function measureSizes(workload: Workload, options: GrowthOptions): Promise<GrowthFigures[]> {
  const { progress, signal } = options
  await using stack = new AsyncDisposableStack()
  const ground = stack.use(await prepareGround(options))
  await fillTopic(ground, transactions(workload), options)
  const empty = stack.use(await ground.freshDatabase())
  // Warms the servers up, and its rows are what the table is filled with.
  const first = await runPipeline(ground, empty.url, workload.records, signal)
  progress(`Warm-up, ids ${workload.ids}: ${JSON.stringify(first)}`)
  await emptyIntoPattern(empty.url)
  const grown = stack.use(await ground.copyDatabase(empty))

  const figures: GrowthFigures[] = []
  const sizes = options.rows.toSorted((a, b) => a - b)
  let from = 0
  for (const size of sizes) {
    if (size > from)
      await addEarlierRows(grown.url, { workload, from, to: size, of: sizes.at(-1)!, progress, signal })
    from = size
    const runs: SizeRun[] = []
    for (let run = 1; run <= options.runs; run++) {
      const found = await measurePair(
        ground,
        { empty, grown: size === 0 ? null : grown, run },
        workload,
        signal,
      )
      const anomalies = [found.empty, found.grown].find((f) => f.anomalies !== first.anomalies)?.anomalies
      if (anomalies !== undefined)
        throw new Error(`${first.anomalies} anomalies at first, then ${anomalies} with ${size} rows before`)
      progress(`Run ${run} of ${options.runs}, ids ${workload.ids}, ${size} rows: ${JSON.stringify(found)}`)
      runs.push(found)
    }
    const [{ bytes }] = await query<{ bytes: number }>(
      grown.url,
      'SELECT pg_database_size(current_database())::bigint AS bytes',
    )
    figures.push(summariseSize(runs, { ids: workload.ids, rows: size, database_mb: Math.round(bytes / 1e6) }))
  }
  return figures
}

interface Pair {
  empty: FreshDatabase
  /** Null: the empty one stands for it. */
  grown: FreshDatabase | null
  run: number
}

/** Over copies of both, every second time in the opposite order: what changes on the machine meanwhile meets both. */
async function measurePair(
  ground: Ground,
  { empty, grown, run }: Pair,
  { records }: Workload,
  signal: AbortSignal,
): Promise<SizeRun> {
  const over = async (database: FreshDatabase) => {
    signal.throwIfAborted()
    await using copy = await ground.copyDatabase(database)
    // Without `await` the copy would be deleted first.
    return await runPipeline(ground, copy.url, records, signal)
  }
  if (grown === null) {
    const figures = await over(empty)
    return { empty: figures, grown: figures }
  }
  if (run % 2 === 1) return { empty: await over(empty), grown: await over(grown) }
  const figures = await over(grown)
  return { grown: figures, empty: await over(empty) }
}

/** Purchases of one account after another into an empty table, until each account has a state. */
async function measureAccounts(accounts: number, options: GrowthOptions): Promise<AccountsFigures> {
  const { progress, signal } = options
  const records = Math.max(options.records, accounts)
  await using ground = await prepareGround(options)
  await fillTopic(ground, accountsInTurn(accounts, records), { ...options, records })
  const runs: PipelineFigures[] = []
  for (let run = 1; run <= options.runs; run++) {
    signal.throwIfAborted()
    await using database = await ground.freshDatabase()
    const found = await runPipeline(ground, database.url, records, signal)
    progress(`Run ${run} of ${options.runs}, ${accounts} accounts: ${JSON.stringify(found)}`)
    runs.push(found)
  }
  return summariseAccounts(runs, { accounts, records })
}

async function runPipeline(
  { settings }: Ground,
  url: string,
  records: number,
  signal: AbortSignal,
): Promise<PipelineFigures> {
  const own = {
    ...settings,
    DATABASE_URL: url,
    KAFKA_GROUP_ID: `${settings.TRANSACTIONS_TOPIC}-${randomUUID()}`,
  }
  const { rate, cpu, memory, anomalies } = await pipelineRate(own, records, { signal })
  return {
    pipeline_tps: rate,
    pipeline_cpu_us: cpu,
    rss_mb: memory?.rss_mb ?? null,
    peak_rss_mb: memory?.peak_rss_mb ?? null,
    anomalies,
  }
}
