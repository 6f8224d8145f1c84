import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { withClient } from '../schemas/database.ts'
import type { Settings } from '../schemas/settings.ts'
import { type Child, startChild } from './child.ts'
import { type Ground, type GroundSettings, prepareGround } from './ground.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { type Ledger, type Outage, type OutageReport, type Phase, reportOutage } from './outage-report.ts'
import type { Order, Sent } from './outage-sender.ts'
import { type ProcessWatch, watchProcess } from './process-watch.ts'

export interface OutageOptions {
  /** How long PostgreSQL is away. */
  seconds: number
  /** Sent in that time. */
  records: number
  heapMb: number
  seed: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** What the phases share. */
interface Scene extends OutageOptions {
  ground: Ground
  postgres: NonNullable<Ground['servers']['postgres']>
  url: string
  pipeline: Child
  watch: ProcessWatch<Phase>
  /** Lines that the pipeline has logged. */
  logged: () => number
  /** Has records sent; resolves once all are acknowledged. */
  send: (order: Order) => Promise<Sent>
}

const ACCOUNTS = 50_000
const STEADY_RATE = 20_000
const STEADY_SECONDS = 5
const STEADY_RECORDS = STEADY_RATE * STEADY_SECONDS
const LOOK_MS = 20
const PATIENCE_MS = 60_000
const SEMI_SPACE_MB = 16
const TELL_SECONDS = 10

/** Stops PostgreSQL under a pipeline at work, lets a backlog grow, starts it again, and follows the pipeline until lag 0. */
export async function measureOutage(options: OutageOptions): Promise<OutageReport> {
  if (process.platform !== 'linux') throw new Error("the benchmark looks at memory in Linux's /proc")
  const { records, seed, heapMb, progress } = options
  const load = currentLoad()
  await using stack = new AsyncDisposableStack()
  const end = new AbortController()
  const signal = AbortSignal.any([options.signal, end.signal])
  // A PostgreSQL that is stopped must be its own.
  const settings: Settings = { ...options.settings, DATABASE_URL: undefined }
  const ground = stack.use(await prepareGround({ settings, progress, signal: options.signal }))
  const machine = await describeMachine(ground, load)
  const { url } = await ground.freshDatabase() // deleted with its server, which may be away when this ends
  const own = ownSettings(ground.settings, url)

  const args = [2 * STEADY_RECORDS + records, ACCOUNTS, seed].map(String)
  const sender = stack.use(startChild({ file: 'bench/outage-sender.ts', args, settings: own, signal }))
  await sender.message()
  let lines = 0
  let acknowledged = 0
  const pipeline = stack.use(startPipeline(own, heapMb, signal, () => lines++))
  const watch = stack.use(watchProcess<Phase>(pipeline.pid))
  const scene: Scene = {
    ...options,
    signal,
    ground,
    postgres: ground.servers.postgres!,
    url,
    pipeline,
    watch,
    logged: () => lines,
    async send(order) {
      const sent = await tell(sender, order)
      acknowledged += sent.acknowledged
      return sent
    },
  }
  stack.defer(() => end.abort()) // when the pipeline dies, what waits beside it ends, too
  const outage = await Promise.race([observe(scene), pipeline.died])
  await pipeline.stop()
  progress('Counting the rows ...')
  const context = {
    seed,
    records,
    accounts: ACCOUNTS,
    heap_mb: heapMb,
    lanes: own.LANES,
    partitions: own.TOPIC_PARTITIONS,
    machine,
  }
  return reportOutage(context, outage, { acknowledged, ...(await countRows(url)) })
}

const ownSettings = (settings: GroundSettings, url: string): GroundSettings => ({
  ...settings,
  DATABASE_URL: url,
  KAFKA_GROUP_ID: `${settings.TRANSACTIONS_TOPIC}-${randomUUID()}`,
  LOG_LEVEL: 'info', // its lines are counted
  WORKERS: 1, // with more, its parent would be watched
})

const startPipeline = (settings: GroundSettings, heapMb: number, signal: AbortSignal, onLine: () => void) =>
  startChild({
    file: 'deploy/weir.ts',
    args: ['pipeline'],
    settings: { ...settings, PIPELINE_METRICS_PORT: 0 },
    // The young generation comes on top of the old one, with three semi-spaces: together they are the heap's limit.
    execArgv: [
      `--max-old-space-size=${heapMb - 3 * SEMI_SPACE_MB}`,
      `--max-semi-space-size=${SEMI_SPACE_MB}`,
    ],
    onLine,
    signal,
  })

function tell(sender: Child, order: Order): Promise<Sent> {
  const answer = sender.message<Sent>()
  sender.send(order)
  return answer
}

async function observe(scene: Scene): Promise<Outage> {
  const before = await runBefore(scene)
  const { sending, ...away } = await stayAway(scene)
  const back = await catchUp(scene, away.stoppedAt)
  const { watch } = scene
  return {
    phases: {
      before: watch.facts('before'),
      away: watch.facts('away'),
      'catching up': watch.facts('catching up'),
    },
    peak_rss_mb: watch.highWaterMb(),
    ...before,
    input_away: Math.round(sending.acknowledged / sending.seconds),
    log_lines_away: away.lines,
    ...back,
  }
}

/** Twice a few seconds of steady input; the second time, with its code compiled, is what is reported. */
async function runBefore({ ground, url, pipeline, watch, send, progress, signal }: Scene) {
  progress(`Steady input of ${number(STEADY_RATE)} records/s for ${2 * STEADY_SECONDS} s ...`)
  const order = { records: STEADY_RECORDS, rate: STEADY_RATE }
  await send(order)
  const from = await untilProcessed(url, await ground.topicRecords(), signal).catch(explainedBy(pipeline))
  watch.begin('before')
  const sent = await send(order)
  const to = await look(url)
  const tps = Math.round((to.sum - from.sum) / secondsBetween(from.at, to.at))
  progress(`Stored ${number(tps)} tx/s, ${Math.round(watch.facts('before').last_mb)} MB resident.`)
  return { input_before: Math.round(sent.acknowledged / sent.seconds), tps_before: tps }
}

const explainedBy =
  (pipeline: Child) =>
  (error: Error): never => {
    throw pipeline.explain(error)
  }

/** Stops PostgreSQL and lets the input go on, until both the time is over and all records are acknowledged. */
async function stayAway(scene: Scene) {
  const { postgres, url, records, seconds, watch, send, logged, signal } = scene
  const linesBefore = logged()
  const sent = send({ records, rate: records / seconds })
  sent.catch(() => {}) // it may fail before it is waited for
  await postgres.stop('fast')
  const stoppedAt = performance.now()
  watch.begin('away')
  await refused(url)
  const end = new AbortController()
  const ended = AbortSignal.any([end.signal, signal])
  const telling = tellOn(scene, stoppedAt, ended)
  const [sending] = await Promise.all([sent, sleep(seconds * 1000, undefined, { signal })]).finally(() =>
    end.abort(),
  )
  await telling
  return { stoppedAt, sending, lines: logged() - linesBefore }
}

/** @throws when PostgreSQL still answers */
async function refused(url: string): Promise<void> {
  const refusal = await look(url).then(
    () => null,
    ({ cause }: Error) => cause as NodeJS.ErrnoException,
  )
  if (refusal?.code !== 'ECONNREFUSED') throw new Error('PostgreSQL was stopped, but it does not refuse')
}

async function tellOn({ ground, watch, seconds, progress }: Scene, began: number, ended: AbortSignal) {
  for (;;) {
    await sleep(TELL_SECONDS * 1000, undefined, { signal: ended }).catch(() => {})
    if (ended.aborted) return
    const passed = Math.round((performance.now() - began) / 1000)
    const [held, { last_mb }] = [await ground.topicRecords(), watch.facts('away')]
    progress(
      `Away for ${passed} of ${seconds} s: ${number(held)} records in Kafka, ${Math.round(last_mb)} MB.`,
    )
  }
}

/** Starts PostgreSQL and looks at the positions until nothing waits. */
async function catchUp(scene: Scene, stoppedAt: number) {
  const { ground, postgres, url, pipeline, watch, progress, signal } = scene
  const total = await ground.topicRecords()
  watch.begin('catching up')
  const [reached] = await Promise.all([firstAnswer(url, signal), postgres.start()])
  progress(`PostgreSQL is back; ${number(total - reached.sum)} records wait.`)
  const until = (sum: number) => untilProcessed(url, sum, signal).catch(explainedBy(pipeline))
  const first = await until(reached.sum + 1)
  const cpuBefore = pipeline.cpuTime()!
  const last = await until(total)
  const caughtUp = total - first.sum
  const catchUpSeconds = (last.at - first.at) / 1000
  return {
    seconds_away: secondsBetween(stoppedAt, reached.at),
    backlog: total - reached.sum,
    first_commit_after_s: secondsBetween(reached.at, first.at),
    catch_up_seconds: secondsBetween(first.at, last.at),
    catch_up_tx_per_second: Math.round(caughtUp / catchUpSeconds),
    catch_up_cpu_us: Math.round(((pipeline.cpuTime()! - cpuBefore) / caughtUp) * 100) / 100,
  }
}

interface Look {
  /** Records behind the positions. */
  sum: number
  /** When the answer came, which errs against the pipeline. */
  at: number
}

/** The first answer of a PostgreSQL that is starting. */
async function firstAnswer(url: string, signal: AbortSignal): Promise<Look> {
  for (const deadline = performance.now() + PATIENCE_MS; ; ) {
    try {
      return await look(url)
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(LOOK_MS, undefined, { signal })
  }
}

/** @throws when nothing moves for a minute */
const untilProcessed = (url: string, wanted: number, signal: AbortSignal): Promise<Look> =>
  connected(url, async (client) => {
    let seen = await lookBy(client)
    for (let moved = seen; seen.sum < wanted; seen = await lookBy(client)) {
      if (seen.sum !== moved.sum) moved = seen
      else if (seen.at - moved.at > PATIENCE_MS)
        throw new Error(`the pipeline stands still at ${seen.sum} of ${wanted} for ${PATIENCE_MS / 1000} s`)
      await sleep(LOOK_MS, undefined, { signal })
    }
    return seen
  })

const look = (url: string): Promise<Look> => connected(url, lookBy)

async function lookBy(client: pg.Client): Promise<Look> {
  const { rows } = await client.query<{ sum: number }>(
    'SELECT coalesce(sum(next_offset), 0)::bigint AS sum FROM positions',
  )
  return { sum: rows[0].sum, at: performance.now() }
}

async function countRows(url: string): Promise<Omit<Ledger, 'acknowledged'>> {
  const { rows } = await connected(url, (client) =>
    client.query<Omit<Ledger, 'acknowledged'>>(
      `SELECT count(*) AS rows, count(DISTINCT transaction_id) AS distinct,
              (SELECT sum(dead_letters)::bigint FROM positions) AS dead_letters
       FROM transactions`,
    ),
  )
  return rows[0]
}

/** A connection that may be refused, or lost, without ending this process. */
const connected = <T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> =>
  withClient({ connectionString: url, application_name: 'weir-bench-outage' }, use)

const secondsBetween = (from: number, to: number): number => Math.round(to - from) / 1000
const number = (value: number): string => Math.round(value).toLocaleString('en-US')
