import { randomUUID } from 'node:crypto'
import type { Settings } from '../schemas/settings.ts'
import { profiling, startChild } from './child.ts'
import { bareCopyRate, tableCopyRate } from './copy-rate.ts'
import type { DecodeOnlyResult } from './decode-only.ts'
import { encodeRows } from './encode-rows.ts'
import { fillTopic } from './fill-topic.ts'
import { type Ground, type GroundSettings, prepareGround } from './ground.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { pipelineRate } from './pipeline-rate.ts'
import { type Measured, type Report, type Run, summarise } from './report.ts'
import { transactions, type Workload } from './workload.ts'

export interface ThroughputOptions extends Workload {
  runs: number
  /** Directory for CPU profiles of the pipeline. */
  cpuProf?: string
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** What is measured in a run, each over an empty database. */
type Measures = Record<Measured, (url: string) => Promise<Partial<Run>>>

/** Produces the records, then measures them in all ways, `runs` times, the order turned round each time. */
export async function measureThroughput(options: ThroughputOptions): Promise<Report> {
  const { records, accounts, ids, progress, signal } = options
  const load = currentLoad()
  await using ground = await prepareGround(options)
  const { settings } = ground
  const machine = await describeMachine(ground, load)
  await fillTopic(ground, transactions(options), options)

  progress('Encoding the rows for COPY, as the pipeline does ...')
  const rows = await encodeRows(settings, records, signal)
  const measures: Measures = {
    decode: async () => ({ decode_rps: await decodeRate(ground, options) }),
    bare_copy: async (url) => ({ bare_copy_rps: await bareCopyRate(url, rows) }),
    copy_table: async (url) => ({ copy_table_rps: await tableCopyRate(url, rows, settings.LANES) }),
    pipeline: (url) => runPipeline({ ...settings, DATABASE_URL: url }, rows.anomalies, options),
  }
  const runs: Run[] = []
  for (let run = 1; run <= options.runs; run++) runs.push(await measureOnce(ground, measures, run, options))
  const { anomalies } = rows
  return summarise(runs, {
    records,
    accounts,
    ids,
    rows_checked: records,
    anomalies,
    lanes: settings.LANES,
    machine,
  })
}

async function measureOnce(
  ground: Ground,
  measures: Measures,
  run: number,
  { runs, progress, signal }: ThroughputOptions,
): Promise<Run> {
  const order = Object.keys(measures) as Measured[]
  if (run % 2 === 0) order.reverse()
  const figures: Partial<Run> = { order }
  for (const name of order) {
    signal.throwIfAborted()
    await using database = await ground.freshDatabase()
    const found = await measures[name](database.url)
    progress(`Run ${run} of ${runs}: ${JSON.stringify(found)}`)
    Object.assign(figures, found)
  }
  return figures as Run
}

async function runPipeline(
  settings: GroundSettings,
  anomalies: number,
  { records, cpuProf, signal }: ThroughputOptions,
): Promise<Partial<Run>> {
  const own = { ...settings, KAFKA_GROUP_ID: `${settings.TRANSACTIONS_TOPIC}-${randomUUID()}` }
  const result = await pipelineRate(own, records, { signal, execArgv: profiling(cpuProf) })
  if (result.anomalies !== anomalies)
    throw new Error(
      `the pipeline found ${result.anomalies} anomalies, but ${anomalies} among the rows for COPY`,
    )
  return { pipeline_tps: result.rate, pipeline_cpu_us: result.cpu }
}

async function decodeRate({ settings }: Ground, { records, signal }: ThroughputOptions): Promise<number> {
  await using child = startChild({ file: 'bench/decode-only.ts', args: [String(records)], settings, signal })
  const { decoded, seconds } = await child.message<DecodeOnlyResult>()
  if (decoded !== records) throw new Error(`decode-only read ${decoded} of ${records} records`)
  return Math.round(decoded / seconds)
}
