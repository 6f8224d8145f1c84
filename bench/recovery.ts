import { randomUUID } from 'node:crypto'
import { take } from '../pipeline/produce/batch.ts'
import { paced } from '../pipeline/produce/paced.ts'
import { produce } from '../pipeline/produce/produce.ts'
import { kafkaSink } from '../pipeline/produce/sink.ts'
import { createLogger } from '../schemas/log.ts'
import type { Settings } from '../schemas/settings.ts'
import { accountsInTurn } from './accounts-in-turn.ts'
import { type Ground, type GroundSettings, prepareGround, query } from './ground.ts'
import { killAndRestart, type Recovery } from './kill.ts'
import { currentLoad, describeMachine } from './machine.ts'
import { PipelineLog } from './pipeline-log.ts'
import { pipelineRate } from './pipeline-rate.ts'
import { type RecoveryReport, type RecoveryRun, summariseRecovery } from './recovery-report.ts'

export interface RecoveryOptions {
  accounts: number
  /** Of the backlog; at least as many as accounts. */
  records: number
  runs: number
  /** Between two checkpoints of a partition, in the run with checkpoints and before the kill. */
  checkpointSeconds: number
  settings: Settings
  progress: (line: string) => void
  signal: AbortSignal
}

/** What the runs share. */
interface Scene extends RecoveryOptions {
  ground: Ground
  /** Sends new records slowly until the signal comes. */
  stream: (until: AbortSignal) => Promise<unknown>
}

/** Longer than any run. */
const NEVER_SECONDS = 100_000
/** Records a second that come while the pipeline is killed and started again. */
const STREAM_RATE = 200
const WARM_UP_RECORDS = 50_000

/** Produces the backlog; then `runs` times the rate with and without checkpoints, and a kill. */
export async function measureRecovery(options: RecoveryOptions): Promise<RecoveryReport> {
  const { accounts, records, progress, signal } = options
  const load = currentLoad()
  await using stack = new AsyncDisposableStack()
  const ground = stack.use(await prepareGround(options))
  const machine = await describeMachine(ground, load)
  const sink = await kafkaSink({ settings: ground.settings, log: createLogger('bench', 'silent') })
  stack.defer(() => sink.close())

  progress(`Producing ${records.toLocaleString('en-US')} transactions ...`)
  const transactions = accountsInTurn(accounts, records)
  const early = Math.min(records, WARM_UP_RECORDS)
  await produce(take(transactions, early), sink, { signal })
  await warmUp(ground, signal)
  await produce(take(transactions, records - early), sink, { signal })
  const stream = (until: AbortSignal) =>
    produce(paced(transactions, { rate: STREAM_RATE, signal: until }), sink, { signal: until })

  const runs: RecoveryRun[] = []
  for (let run = 1; run <= options.runs; run++)
    runs.push(await measureOnce({ ...options, ground, stream }, run))
  return summariseRecovery(runs, {
    accounts,
    records,
    partitions: ground.settings.TOPIC_PARTITIONS,
    checkpoint_seconds: options.checkpointSeconds,
    session_timeout_seconds: ground.settings.KAFKA_SESSION_TIMEOUT_MS / 1000,
    machine,
  })
}

/** The first run of all is the slowest, by far when it is short: it has the servers' code compiled and their files made. */
async function warmUp(ground: Ground, signal: AbortSignal): Promise<void> {
  await using database = await ground.freshDatabase()
  await measureRate(ground, ownSettings(ground.settings, database.url, NEVER_SECONDS), signal)
}

/** With checkpoints first, then the other way round: what is left of a first run's disadvantage is theirs. */
async function measureOnce(scene: Scene, run: number): Promise<RecoveryRun> {
  const { ground, progress } = scene
  const say = (what: string, found: object) =>
    progress(`Run ${run} of ${scene.runs}, ${what}: ${JSON.stringify(found)}`)
  await using databases = new AsyncDisposableStack()
  const rateAt = async (checkpointSeconds: number) => {
    scene.signal.throwIfAborted()
    const { url } = databases.use(await ground.freshDatabase())
    const settings = ownSettings(ground.settings, url, checkpointSeconds)
    const found = await measureRate(ground, settings, scene.signal)
    say(checkpointSeconds === NEVER_SECONDS ? 'without checkpoints' : 'with checkpoints', found)
    return { ...found, settings }
  }
  const withFirst = run % 2 === 1
  let without = withFirst ? undefined : await rateAt(NEVER_SECONDS)
  const saved = await rateAt(scene.checkpointSeconds)
  without ??= await rateAt(NEVER_SECONDS)

  const recovery = await recoverInStream(scene, saved.settings)
  say('killed', recovery)
  return {
    tps_with_checkpoints: saved.rate,
    tps_without_checkpoints: without.rate,
    cpu_us_with_checkpoints: saved.cpu,
    cpu_us_without_checkpoints: without.cpu,
    checkpoints: saved.checkpoints,
    ...recovery,
    order: withFirst ? ['with', 'without'] : ['without', 'with'],
  }
}

const ownSettings = (settings: GroundSettings, url: string, checkpointSeconds: number): GroundSettings => ({
  ...settings,
  DATABASE_URL: url,
  KAFKA_GROUP_ID: `${settings.TRANSACTIONS_TOPIC}-${randomUUID()}`,
  CHECKPOINT_SECONDS: checkpointSeconds,
  // The log tells of checkpoints and recoveries. With workers, a kill of their parent would let them end in peace.
  LOG_LEVEL: 'info',
  WORKERS: 1,
})

async function measureRate(ground: Ground, settings: GroundSettings, signal: AbortSignal) {
  const log = new PipelineLog()
  const records = await ground.topicRecords()
  const { rate, cpu } = await pipelineRate(settings, records, { signal, onLine: log.read })
  return { rate, cpu, checkpoints: log.checkpoints.length }
}

/** @throws when an account has no state after the recovery, or when afterwards not every record is stored once */
async function recoverInStream(scene: Scene, settings: GroundSettings): Promise<Recovery> {
  const { accounts, stream, signal } = scene
  const end = new AbortController()
  const sending = stream(AbortSignal.any([end.signal, signal]))
  const trouble = sending.then(() => new Promise<never>(() => {}))
  trouble.catch(() => {}) // it may fail before it is waited for
  const recovery = await killAndRestart(settings, { trouble, signal }).finally(() => end.abort())
  await sending
  if (recovery.accounts_restored !== accounts)
    throw new Error(`after the kill ${recovery.accounts_restored} of ${accounts} accounts had a state`)
  await checkStored(settings)
  return recovery
}

/** All that lies behind the positions must be there, and once. */
async function checkStored({ DATABASE_URL }: GroundSettings): Promise<void> {
  const [{ passed, stored }] = await query<{ passed: number; stored: number }>(
    DATABASE_URL,
    `SELECT (SELECT sum(next_offset)::bigint FROM positions) AS passed,
            (SELECT count(*) FROM transactions) AS stored`,
  )
  if (stored !== passed) throw new Error(`after the kill ${stored} of ${passed} records were stored`)
}
