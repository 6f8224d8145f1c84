import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../schemas/settings.ts'
import { profiling, startChild } from './child.ts'
import { monotonicMs } from './clock.ts'
import type { CommitTimes } from './commit-times.ts'
import { consumeAll } from './consume.ts'
import { countRows } from './copy-rate.ts'
import { type GroundSettings, prepareGround, query } from './ground.ts'
import { Latencies } from './latencies.ts'
import { type Idle, type LatencyReport, type RateRun, summariseLatency } from './latency-report.ts'
import type { LatencyOrder, LatencySent } from './latency-sender.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { type PositionWatch, watchPositions } from './position-watch.ts'

export interface LatencyOptions {
  /** Records a second, each measured by itself. */
  rates: number[]
  /** How long each rate is measured. */
  seconds: number
  /** Before that, at the same rate. */
  warmUpSeconds: number
  runs: number
  accounts: number
  /** Directory for CPU profiles of the pipeline. */
  cpuProf?: string
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

const IDLE_RECORDS = 50
/** Before them: the client's first request, the first row of a table, code that is not compiled yet. */
const IDLE_WARM_UP_RECORDS = 10
const IDLE_PAUSE_MS = 200
/** From an order to its first record, for the order's own way to the sender. */
const HEAD_START_MS = 20

/** One pipeline at work, on a topic and a database of its own, and what sends to it. */
interface Scene {
  settings: GroundSettings
  watch: PositionWatch
  /** Has records sent, the first one in a moment. */
  send: (loop: Omit<LatencyOrder, 'begin' | 'beginTimestamp'>) => {
    order: LatencyOrder
    sent: Promise<LatencySent>
  }
  /** Resolves with the time at which so many records were seen to be stored. */
  untilStored: (records: number) => Promise<number>
  /** Processor time of the pipeline until now, microseconds. */
  cpuTime: () => number | null
}

/** The single record through the idle pipeline, then each rate, `runs` times. */
export async function measureLatency(options: LatencyOptions): Promise<LatencyReport> {
  const { rates, seconds, warmUpSeconds, accounts, runs, progress, signal } = options
  const load = currentLoad()
  await using ground = await prepareGround(options)
  const machine = await describeMachine(ground, load)
  const measure = <T>(records: number, use: (scene: Scene) => Promise<T>) =>
    withScene({ ...options, settings: ground.settings }, records, use)

  progress(`One record at a time, ${IDLE_RECORDS} of them ...`)
  const idle = await measure(IDLE_WARM_UP_RECORDS + IDLE_RECORDS, (scene) => measureIdle(scene, signal))
  progress(JSON.stringify(idle))
  const found: RateRun[] = []
  for (let run = 1; run <= runs; run++) {
    for (const rate of rates) {
      progress(`Run ${run} of ${runs}: ${rate.toLocaleString('en-US')} records/s ...`)
      const records = rate * (warmUpSeconds + seconds)
      const one = await measure(records, (scene) => measureRate(scene, rate, options))
      progress(JSON.stringify(one))
      found.push(one)
    }
  }
  const { LANES, TOPIC_PARTITIONS } = ground.settings
  const context = { seconds, warm_up_seconds: warmUpSeconds, accounts, lanes: LANES }
  return summariseLatency(idle, found, { ...context, partitions: TOPIC_PARTITIONS, machine })
}

/** @throws when not exactly the records are stored at the end */
async function withScene<T>(
  { accounts, cpuProf, settings: common, progress, signal }: LatencyOptions,
  records: number,
  use: (scene: Scene) => Promise<T>,
): Promise<T> {
  await using ground = await prepareGround({ settings: common, progress, signal })
  await using database = await ground.freshDatabase()
  const { TRANSACTIONS_TOPIC, TOPIC_PARTITIONS } = ground.settings
  const settings: GroundSettings = {
    ...ground.settings,
    DATABASE_URL: database.url,
    KAFKA_GROUP_ID: `${TRANSACTIONS_TOPIC}-${randomUUID()}`,
    PIPELINE_METRICS_PORT: 0,
  }
  const args = [records, accounts].map(String)
  await using sender = startChild({ file: 'bench/latency-sender.ts', args, settings, signal })
  await sender.message()
  const execArgv = profiling(cpuProf)
  await using pipeline = startChild({
    file: 'deploy/weir.ts',
    args: ['pipeline'],
    settings,
    signal,
    execArgv,
  })
  await using watch = await watchPositions(database.url, signal)
  const until = (isSo: (watch: PositionWatch) => boolean) =>
    Promise.race([
      watch.until(isSo).catch((error) => {
        throw pipeline.explain(error)
      }),
      pipeline.died,
      sender.died,
    ])
  await until(({ taken }) => taken === TOPIC_PARTITIONS)
  const result = await use({
    settings,
    watch,
    send(loop) {
      const order = {
        ...loop,
        begin: monotonicMs() + HEAD_START_MS,
        beginTimestamp: Date.now() + HEAD_START_MS,
      }
      const sent = sender.message<LatencySent>()
      sent.catch(() => {}) // it may fail before it is waited for
      sender.send(order)
      return { order, sent }
    },
    untilStored: (wanted) => until(({ stored }) => stored >= wanted),
    cpuTime: () => (settings.WORKERS === 1 ? pipeline.cpuTime() : null),
  })
  await pipeline.stop()
  await checkRows(database.url, records)
  return result
}

async function measureIdle({ send, untilStored }: Scene, signal: AbortSignal): Promise<Idle> {
  const latencies = new Latencies()
  for (let n = 1; n <= IDLE_WARM_UP_RECORDS + IDLE_RECORDS; n++) {
    await sleep(IDLE_PAUSE_MS, undefined, { signal })
    const { order, sent } = send({ records: 1, rate: 1, warmUpRecords: 0 })
    const stored = await untilStored(n)
    if (n > IDLE_WARM_UP_RECORDS) latencies.add(stored - order.begin)
    await sent
  }
  return {
    records: latencies.count,
    p50_ms: latencies.at(50),
    p99_ms: latencies.at(99),
    max_ms: latencies.max,
  }
}

async function measureRate(
  scene: Scene,
  rate: number,
  { seconds, warmUpSeconds, signal }: LatencyOptions,
): Promise<RateRun> {
  const { settings, watch, send, untilStored, cpuTime } = scene
  const warmUpRecords = rate * warmUpSeconds
  const records = warmUpRecords + rate * seconds
  const before = cpuTime()
  const { order, sent } = send({ records, rate, warmUpRecords })
  await untilStored(records)
  const after = cpuTime()
  const cpu = before === null || after === null ? null : (after - before) / records
  const latencies = await readLatencies(settings, watch.commits, order, signal)
  if (latencies.count !== rate * seconds)
    throw new Error(`the topic holds ${latencies.count} of ${rate * seconds} records that count`)
  return {
    rate,
    seconds,
    records: latencies.count,
    ...(await sent),
    p50_ms: latencies.at(50),
    p99_ms: latencies.at(99),
    p999_ms: latencies.at(99.9),
    max_ms: latencies.max,
    pipeline_cpu_us: cpu === null ? null : Math.round(cpu * 100) / 100,
  }
}

/** From each record's own timestamp, read back from the topic, to its commit; without those of the warm-up. */
async function readLatencies(
  settings: GroundSettings,
  commits: CommitTimes,
  { begin, beginTimestamp, rate, records, warmUpRecords }: LatencyOrder,
  signal: AbortSignal,
): Promise<Latencies> {
  const latencies = new Latencies()
  const countsFrom = beginTimestamp + (warmUpRecords * 1000) / rate
  await consumeAll({
    kafka: settings,
    topic: settings.TRANSACTIONS_TOPIC,
    records,
    signal,
    onBatch(partition, messages) {
      for (const message of messages) {
        const timestamp = Number(message.timestamp)
        const stored = commits.of(partition, Number(message.offset))
        if (timestamp >= countsFrom) latencies.add(stored - begin - (timestamp - beginTimestamp))
      }
    },
  })
  return latencies
}

async function checkRows(url: string, records: number): Promise<void> {
  const stored = await countRows(url, 'transactions')
  const [{ left_out }] = await query<{ left_out: number }>(
    url,
    'SELECT sum(duplicates + dead_letters)::bigint AS left_out FROM positions',
  )
  if (stored !== records || left_out !== 0)
    throw new Error(`of ${records} records ${stored} are stored, and ${left_out} were left out`)
}
