import { randomUUID } from 'node:crypto'
import type { Settings } from '../schemas/settings.ts'
import { cpuTime } from './cpu-time.ts'
import { fillTopic } from './fill-topic.ts'
import { type Ground, prepareGround } from './ground.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { pipelineRate } from './pipeline-rate.ts'
import {
  figuresOf,
  type ScaleFigures,
  type ScaleReport,
  type ScaleRun,
  summariseScale,
} from './scale-report.ts'
import { SteadyCpu } from './steady-cpu.ts'
import { transactions, type Workload } from './workload.ts'

export interface ScaleOptions extends Workload {
  runs: number
  /** Numbers of workers, each with the first number of partitions. */
  workers: number[]
  /** Numbers of partitions, each with the first number of workers. */
  partitions: number[]
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** For each worker: several times what its queues hold. */
const ENOUGH_RECORDS = 700_000

/** The same records by several numbers of workers and partitions, and what all processes take of the processors. */
export async function measureScale(options: ScaleOptions): Promise<ScaleReport> {
  const { partitions, workers, records, accounts, ids, runs } = options
  if (records < Math.max(...workers) * ENOUGH_RECORDS)
    options.progress(
      `Processor times will be too low for ${Math.max(...workers)} workers, which decode much of ${records} records ` +
        `before a fifth is stored: take ${ENOUGH_RECORDS} --records a worker.`,
    )
  const load = currentLoad()
  await using shared = await prepareGround(options)
  const machine = await describeMachine(shared, load)
  const scale: ScaleFigures[] = []
  for (const count of partitions) {
    const settings = { ...shared.settings, TOPIC_PARTITIONS: count }
    await using ground = await prepareGround({ ...options, settings })
    await fillTopic(ground, transactions(options), options)
    const ofThese = count === partitions[0] ? workers : workers.slice(0, 1)
    for (const number of ofThese)
      scale.push(await measureWorkers({ ...options, ground, servers: shared.servers }, number, count))
  }
  return summariseScale(scale, { records, accounts, ids, runs, lanes: shared.settings.LANES, machine })
}

interface Scene extends ScaleOptions {
  ground: Ground
  servers: Ground['servers']
}

async function measureWorkers(scene: Scene, workers: number, partitions: number): Promise<ScaleFigures> {
  const { progress, signal } = scene
  const runs: ScaleRun[] = []
  for (let run = 1; run <= scene.runs; run++) {
    signal.throwIfAborted()
    const found = await measureOnce(scene, workers)
    progress(
      `Run ${run} of ${scene.runs}, ${workers} workers, ${partitions} partitions: ${JSON.stringify(found)}`,
    )
    runs.push(found)
  }
  return figuresOf(runs, { workers, partitions })
}

async function measureOnce({ ground, servers, records, signal }: Scene, workers: number): Promise<ScaleRun> {
  await using database = await ground.freshDatabase()
  const settings = {
    ...ground.settings,
    DATABASE_URL: database.url,
    KAFKA_GROUP_ID: `${ground.settings.TRANSACTIONS_TOPIC}-${randomUUID()}`,
    WORKERS: workers,
  }
  const timeOf = (pid: number | undefined) => (pid === undefined ? null : cpuTime(pid))
  const steady = new SteadyCpu(records)
  const { rate, memory } = await pipelineRate(settings, records, {
    signal,
    onLook: (stored, pid) =>
      steady.look(stored, performance.now(), () => ({
        pipeline: timeOf(pid),
        postgres: timeOf(servers.postgres?.pid()),
        kafka: timeOf(servers.kafka?.pid),
      })),
  })
  return {
    pipeline_tps: rate,
    ...steady.figures(),
    rss_mb: memory?.rss_mb ?? null,
    peak_rss_mb: memory?.peak_rss_mb ?? null,
  }
}
