import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../schemas/settings.ts'
import type { Sizes } from './api-calls.ts'
import { counter } from './api-load.ts'
import { startApi } from './api-process.ts'
import { loadAtRate } from './api-rate.ts'
import { fillTable } from './api-rows.ts'
import { monotonicMs } from './clock.ts'
import { query } from './ground.ts'
import { Latencies } from './latencies.ts'
import { currentLoad, describeHost } from './machine.ts'
import { readLatencies, type Scene, withScene } from './scene.ts'
import { MIX, mixOf } from './serving-mix.ts'
import { type Phase, type ServingReport, summariseServing } from './serving-report.ts'

export interface ServingOptions extends Omit<Sizes, 'clients'> {
  /** Records a second that are sent. */
  rate: number
  /** Calls of the API a second. */
  requests: number
  /** Connections that they come over. */
  clients: number
  /** Of each phase. */
  seconds: number
  /** Before the first one, of records and calls. */
  warmUpSeconds: number
  /** Then of records alone, to catch up with what cold programs and a database that was just filled left. */
  restSeconds: number
  /** Of the records, beside those that the table is of. */
  streamAccounts: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** Ingest alone, then beside calls of the API, then alone: on which side a change of the machine is, is seen. */
const PHASES = ['alone', 'beside', 'alone'] as const

/** Whether calls of the API slow the stream: both over one full table. */
export async function measureServing(options: ServingOptions): Promise<ServingReport> {
  const { rows, anomalies, accounts, clients, rate, requests, seconds, progress } = options
  const { warmUpSeconds: warm_up_seconds, restSeconds: rest_seconds } = options
  const host = describeHost(currentLoad())
  const records = rate * (before(options) + seconds * PHASES.length + SLACK_SECONDS)
  const fill = (url: string) => fillTable(url, options)
  const scene = { ...options, accounts: options.streamAccounts, fill, lookMs: LOOK_MS }
  const { phases, postgres } = await withScene(scene, records, async (at) => ({
    phases: await measurePhases(at, records, options),
    postgres: (await query<{ server_version: string }>(at.settings.DATABASE_URL, 'SHOW server_version'))[0]
      .server_version,
  }))
  for (const phase of phases) progress(JSON.stringify(phase))
  const sizes = { rows, anomalies, accounts, clients }
  return summariseServing(phases, {
    ...sizes,
    rate,
    requests,
    seconds,
    warm_up_seconds,
    rest_seconds,
    mix: MIX,
    host,
    postgres,
  })
}

/** Every two milliseconds, as for latencies alone, would take a tenth of a core from what is measured. */
const LOOK_MS = 20

/** A phase ends when its last call is answered: a little after its time. */
const SLACK_SECONDS = 2

/** Seconds before the first phase. */
const before = ({ warmUpSeconds, restSeconds }: ServingOptions): number => warmUpSeconds + restSeconds

async function measurePhases(scene: Scene, records: number, options: ServingOptions): Promise<Phase[]> {
  const { rate, requests, clients, seconds, warmUpSeconds, restSeconds, settings, signal } = options
  const databaseUrl = scene.settings.DATABASE_URL
  const api = await startApi({ ...settings, DATABASE_URL: databaseUrl }, signal)
  await using _ = api.api
  const mix = mixOf(options)
  const next = counter(clients)
  const serve = (seconds: number) =>
    loadAtRate(api, mix, next, { clients, seconds, requestsPerSecond: requests, signal })

  const { order, sent } = scene.send({ records, rate, warmUpRecords: rate * before(options) })
  const since = () => monotonicMs() - order.begin
  if (warmUpSeconds > 0) await Promise.all([serve(warmUpSeconds), sleep(warmUpSeconds * 1000)])
  await sleep(restSeconds * 1000, null, { signal })
  const found: (Omit<Phase, 'p50_ms' | 'p99_ms'> & { from: number; to: number })[] = []
  for (const kind of PHASES) {
    const [from, storedBefore] = [since(), scene.watch.stored]
    const served = kind === 'beside' ? await serve(seconds) : await sleep(seconds * 1000, null, { signal })
    const [to, stored] = [since(), scene.watch.stored]
    const ingested = Math.round(((stored - storedBefore) * 1000) / (to - from))
    found.push({ kind, ingested_tps: ingested, served, from, to })
  }
  await scene.untilStored(records)
  await sent

  const latencies = found.map(() => new Latencies())
  await readLatencies(
    scene,
    order,
    (due, ms) => latencies[found.findIndex(({ from, to }) => due >= from && due < to)]?.add(ms),
    signal,
  )
  return found.map(({ from: _from, to: _to, ...phase }, i) => ({
    ...phase,
    p50_ms: latencies[i].at(50),
    p99_ms: latencies[i].at(99),
  }))
}
