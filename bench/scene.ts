import { randomUUID } from 'node:crypto'
import type { Settings } from '../schemas/settings.ts'
import { profiling, startChild } from './child.ts'
import { monotonicMs } from './clock.ts'
import { consumeAll } from './consume.ts'
import { countRows } from './copy-rate.ts'
import { type GroundSettings, prepareGround, query } from './ground.ts'
import type { LatencyOrder, LatencySent } from './latency-sender.ts'
import { type PositionWatch, watchPositions } from './position-watch.ts'

export interface SceneOptions {
  /** Accounts that the transactions are of. */
  accounts: number
  /** Directory for CPU profiles of the pipeline. */
  cpuProf?: string
  /** Fills the database before the pipeline begins. */
  fill?: (url: string) => Promise<void>
  /** Between two looks at the positions: so much later, at most, a commit is seen. 2 if not given. */
  lookMs?: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** One pipeline at work, on a topic and a database of its own, and what sends to it. */
export interface Scene {
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

/** From an order to its first record, for the order's own way to the sender. */
const HEAD_START_MS = 20

/** @throws when not exactly the records are stored at the end */
export async function withScene<T>(
  { accounts, cpuProf, fill, lookMs = 2, settings: common, progress, signal }: SceneOptions,
  records: number,
  use: (scene: Scene) => Promise<T>,
): Promise<T> {
  await using ground = await prepareGround({ settings: common, progress, signal })
  await using database = await ground.freshDatabase()
  await fill?.(database.url)
  const rowsBefore = await countRows(database.url, 'transactions')
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
  await using watch = await watchPositions(database.url, lookMs, signal)
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
  await checkRows(database.url, rowsBefore, records)
  return result
}

/**
 * From each record's own timestamp, read back from the topic, to its commit.
 * @param onRecord told of each: how long after the order's beginning it was due, and how much later it was stored
 */
export async function readLatencies(
  { settings, watch: { commits } }: Pick<Scene, 'settings' | 'watch'>,
  { begin, beginTimestamp, records }: LatencyOrder,
  onRecord: (dueMs: number, latencyMs: number) => void,
  signal: AbortSignal,
): Promise<void> {
  await consumeAll({
    kafka: settings,
    topic: settings.TRANSACTIONS_TOPIC,
    records,
    signal,
    onBatch(partition, messages) {
      for (const message of messages) {
        const dueMs = Number(message.timestamp) - beginTimestamp
        const stored = commits.of(partition, Number(message.offset))
        onRecord(dueMs, stored - begin - dueMs)
      }
    },
  })
}

async function checkRows(url: string, before: number, records: number): Promise<void> {
  const stored = (await countRows(url, 'transactions')) - before
  const [{ left_out }] = await query<{ left_out: number }>(
    url,
    'SELECT sum(duplicates + dead_letters)::bigint AS left_out FROM positions',
  )
  if (stored !== records || left_out !== 0)
    throw new Error(`of ${records} records ${stored} are stored, and ${left_out} were left out`)
}
