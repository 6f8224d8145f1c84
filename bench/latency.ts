import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../schemas/settings.ts'
import { prepareGround } from './ground.ts'
import { Latencies } from './latencies.ts'
import { type Idle, type LatencyReport, type RateRun, summariseLatency } from './latency-report.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { readLatencies, type Scene, withScene } from './scene.ts'

export interface LatencyOptions {
  /** Records through the idle pipeline, one at a time. */
  idleRecords?: number
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

/** Before them: the client's first request, the first row of a table, code that is not compiled yet. */
const IDLE_WARM_UP_RECORDS = 10
const IDLE_PAUSE_MS = 200

/** The single record through the idle pipeline, then each rate, `runs` times. */
export async function measureLatency(options: LatencyOptions): Promise<LatencyReport> {
  const { idleRecords = 50, rates, seconds, warmUpSeconds, accounts, runs, progress, signal } = options
  const load = currentLoad()
  await using ground = await prepareGround(options)
  const machine = await describeMachine(ground, load)
  const measure = <T>(records: number, use: (scene: Scene) => Promise<T>) =>
    withScene({ ...options, settings: ground.settings }, records, use)

  progress(`One record at a time, ${idleRecords} of them ...`)
  const single = IDLE_WARM_UP_RECORDS + idleRecords
  const idle = await measure(single, (scene) => measureIdle(scene, single, signal))
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

async function measureIdle(
  { send, untilStored }: Scene,
  records: number,
  signal: AbortSignal,
): Promise<Idle> {
  const latencies = new Latencies()
  for (let n = 1; n <= records; n++) {
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
  const { send, untilStored, cpuTime } = scene
  const warmUpRecords = rate * warmUpSeconds
  const records = warmUpRecords + rate * seconds
  const before = cpuTime()
  const { order, sent } = send({ records, rate, warmUpRecords })
  await untilStored(records)
  const after = cpuTime()
  const cpu = before === null || after === null ? null : (after - before) / records
  const latencies = new Latencies()
  const bySecond = Array.from({ length: seconds }, () => new Latencies())
  await readLatencies(
    scene,
    order,
    (due, ms) => {
      const counted = due - warmUpSeconds * 1000
      if (counted < 0) return
      latencies.add(ms)
      bySecond[Math.min(Math.floor(counted / 1000), seconds - 1)].add(ms)
    },
    signal,
  )
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
    slowest_seconds: slowestOf(bySecond),
    pipeline_cpu_us: cpu === null ? null : Math.round(cpu * 100) / 100,
  }
}

const SLOWEST = 10

/** Whether it is slow all the time or now and then, and when: to lay beside the logs. */
function slowestOf(bySecond: Latencies[]): RateRun['slowest_seconds'] {
  return bySecond
    .map((latencies, second) => ({ second, p50_ms: latencies.at(50), max_ms: latencies.max }))
    .sort((a, b) => b.max_ms - a.max_ms)
    .slice(0, SLOWEST)
}
