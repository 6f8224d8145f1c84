import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../schemas/database.ts'
import { type Child, startChild } from './child.ts'
import type { GroundSettings } from './ground.ts'
import { PipelineLog } from './pipeline-log.ts'
import { type PositionRow, Takeover } from './takeover.ts'

/** One kill -9 and what came after it. */
export interface Recovery {
  /** From the kill to the first look that saw a position moved by the new process. */
  recovery_seconds: number
  /** The part that is Weir's own: from the first partition claimed, just after Kafka gave it, to the first move. */
  own_seconds: number
  /** From the kill until the positions of all partitions have moved. */
  all_partitions_seconds: number
  /** Reading the checkpoints and observing again what was stored after them, all partitions together. */
  restore_seconds: number
  /** Transactions observed again. */
  replayed: number
  /** Of the newest checkpoints at the kill, all partitions together. */
  checkpoint_bytes: number
  /** That the new process found in them and in the table. */
  accounts_restored: number
}

interface Running {
  child: Child
  log: PipelineLog
}

const LOOK_MS = 20
/** Beside the time that settings make it wait. */
const PATIENCE_MS = 120_000

/**
 * Starts the pipeline, kills it in the middle of a slow stream, and starts it again at once.
 * @param settings its topic, group and database, in which all accounts have a state already
 * @param trouble rejects when the stream of new records fails
 */
export async function killAndRestart(
  settings: GroundSettings,
  { trouble, signal }: { trouble: Promise<unknown>; signal: AbortSignal },
): Promise<Recovery> {
  await using stack = new AsyncDisposableStack()
  const client = createClient({
    connectionString: settings.DATABASE_URL,
    application_name: 'weir-bench-kill',
  })
  await client.connect()
  stack.defer(() => client.end())
  const look = async () =>
    (await client.query<PositionRow>('SELECT partition, next_offset, owner FROM positions')).rows
  const start = (): Running => {
    const log = new PipelineLog()
    return { log, child: stack.use(startPipeline(settings, log, signal)) }
  }
  const patience = PATIENCE_MS + settings.CHECKPOINT_SECONDS * 2000 + settings.KAFKA_SESSION_TIMEOUT_MS
  const until = async (what: string, { child }: Running, done: () => boolean | Promise<boolean>) => {
    const waited = patiently(what, done, patience, signal).catch((error) => {
      throw child.explain(error)
    })
    await Promise.race([waited, child.died, trouble])
  }

  const victim = start()
  const partitions = settings.TOPIC_PARTITIONS
  const isSaved = () => new Set(victim.log.checkpoints.map((c) => c.partition)).size === partitions
  await until('a checkpoint of each partition', victim, isSaved)
  const { rows } = await client.query<{ bytes: number }>(
    'SELECT sum(bytes)::bigint AS bytes FROM checkpoints WHERE completed_at IS NOT NULL',
  )

  const killedAt = performance.now()
  await victim.child.kill()
  const takeover = new Takeover(await look())
  const heir = start()
  await until('the position of each partition to move', heir, async () => {
    takeover.look(await look(), performance.now())
    return takeover.allMovedAt !== null && heir.log.taken.size === partitions
  })
  await heir.child.stop()
  return recoveryOf(killedAt, takeover, heir.log, rows[0].bytes)
}

const startPipeline = (settings: GroundSettings, log: PipelineLog, signal: AbortSignal): Child =>
  startChild({
    file: 'deploy/weir.ts',
    args: ['pipeline'],
    settings: { ...settings, PIPELINE_METRICS_PORT: 0 },
    onLine: log.read,
    signal,
  })

/** @throws when it takes too long, saying what was waited for */
async function patiently(
  what: string,
  done: () => boolean | Promise<boolean>,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  for (const deadline = performance.now() + ms; !(await done()); ) {
    if (performance.now() > deadline) throw new Error(`waited ${ms / 1000} s in vain for ${what}`)
    await sleep(LOOK_MS, undefined, { signal })
  }
}

function recoveryOf(
  killedAt: number,
  { claimedAt, firstMoveAt, allMovedAt }: Takeover,
  log: PipelineLog,
  checkpointBytes: number,
): Recovery {
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000
  return {
    recovery_seconds: seconds(killedAt, firstMoveAt!),
    own_seconds: seconds(claimedAt!, firstMoveAt!),
    all_partitions_seconds: seconds(killedAt, allMovedAt!),
    restore_seconds: seconds(0, log.sum('ms')),
    replayed: log.sum('replayed'),
    checkpoint_bytes: checkpointBytes,
    accounts_restored: log.sum('accounts'),
  }
}
