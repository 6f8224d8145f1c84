import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../schemas/database.ts'
import { type ChildOptions, startChild } from './child.ts'
import type { GroundSettings } from './ground.ts'
import { type Memory, memoryOf } from './process-watch.ts'

export interface PipelineRate {
  /** Transactions a second. */
  rate: number
  anomalies: number
  /** Processor time of the pipeline's processes for each transaction, microseconds; null off Linux. */
  cpu: number | null
  /** Of the pipeline's processes, once all is stored; null off Linux. */
  memory: Memory | null
}

export interface PipelineRateOptions extends Pick<ChildOptions, 'signal' | 'execArgv' | 'onLine'> {
  /** Called with each look at the positions: the records behind them, and the pipeline's process id. */
  onLook?: (stored: number, pid: number) => void
}

/** Between two looks at the positions: before there are any, and from then on. */
const LOOK_FOR_START_MS = 10
const LOOK_MS = 50
const STALL_MS = 60_000

/**
 * Runs the pipeline, with its default settings or those of the environment, in a process of its own over a database
 * without positions until all records are stored.
 * @param settings its topic, group and database
 * @throws when it ends early, stands still, or the rows are not exactly the records
 */
export async function pipelineRate(
  settings: GroundSettings,
  records: number,
  { signal, execArgv, onLine, onLook }: PipelineRateOptions,
): Promise<PipelineRate> {
  const url = settings.DATABASE_URL
  const client = createClient({ connectionString: url, application_name: 'weir-bench-positions' })
  await client.connect()
  try {
    await using pipeline = startChild({
      file: 'deploy/weir.ts',
      args: ['pipeline'],
      settings: { ...settings, PIPELINE_METRICS_PORT: 0 },
      execArgv,
      onLine,
      signal,
    })
    let cpuBefore: number | null = null
    const look = async () => {
      const { rows } = await client.query<{ sum: number | null }>(
        'SELECT sum(next_offset)::bigint AS sum FROM positions',
      )
      const { sum } = rows[0]
      if (sum !== null) {
        cpuBefore ??= pipeline.cpuTime()
        onLook?.(sum, pipeline.pid)
      }
      return sum
    }
    const timed = timePositions(look, records, signal).catch((error) => {
      throw pipeline.explain(error)
    })
    const seconds = await Promise.race([timed, pipeline.died])
    const cpuAfter = pipeline.cpuTime()
    const memory = memoryOf(pipeline.pid)
    await pipeline.stop()
    const totals = await readTotals(client)
    if (totals.rows !== records || totals.stored !== records)
      throw new Error(`of ${records} records this became: ${JSON.stringify(totals)}`)
    const cpu =
      cpuBefore === null || cpuAfter === null
        ? null
        : Math.round(((cpuAfter - cpuBefore) / records) * 100) / 100
    return { rate: Math.round(records / seconds), anomalies: totals.anomalies, cpu, memory }
  } finally {
    await client.end()
  }
}

/**
 * Seconds from the last look that saw no position (the pipeline makes them when it takes its partitions, before it
 * fetches) to the first that sees all records behind them. Both ends err against the pipeline.
 * @param look the sum of the positions, null while there are none
 */
export async function timePositions(
  look: () => Promise<number | null>,
  records: number,
  signal: AbortSignal,
): Promise<number> {
  let began = performance.now()
  let moved = began
  let last: number | null = null
  for (;;) {
    const now = performance.now()
    const sum = await look()
    if (sum === null) began = now
    else if (sum >= records) return (performance.now() - began) / 1000
    if (sum !== last) moved = now
    else if (now - moved > STALL_MS)
      throw new Error(
        `the pipeline stands still at ${sum ?? 0} of ${records} records for ${STALL_MS / 1000} s`,
      )
    last = sum
    await sleep(sum === null ? LOOK_FOR_START_MS : LOOK_MS, undefined, { signal })
  }
}

interface Totals {
  /** As the positions count. */
  stored: number
  anomalies: number
  left_out: number
  /** In the table, but for those that were there before the topic (see earlier-rows.ts). */
  rows: number
}

async function readTotals(client: ReturnType<typeof createClient>) {
  const { rows } = await client.query<Totals>(
    `SELECT sum(stored)::bigint AS stored, sum(anomalies)::bigint AS anomalies,
            sum(duplicates + dead_letters)::bigint AS left_out,
            (SELECT count(*) FROM transactions WHERE kafka_offset >= 0) AS rows
     FROM positions`,
  )
  return rows[0]
}
