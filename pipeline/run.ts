import { randomBytes } from 'node:crypto'
import { observeCertificates } from '../schemas/certificates.ts'
import { type ConnectionOptions, withClient } from '../schemas/database.ts'
import type { Logger } from '../schemas/log.ts'
import type { Needed } from '../schemas/settings.ts'
import { HOUR } from '../schemas/time.ts'
import { Committer } from './committer.ts'
import type { Writers } from './decode/writers.ts'
import { FatalError } from './errors.ts'
import { loadRates } from './features/rates.ts'
import { canBuildAhead } from './features/reference-day.ts'
import { serveHealth } from './health.ts'
import { createMetrics, type Metrics, nameDeciders } from './metrics.ts'
import { loadActiveModel } from './models/store.ts'
import { fraudPipeline } from './pipeline.ts'
import { Progress } from './progress.ts'
import { loadRules } from './rules/rules.ts'
import { storeRuleSet } from './rules/store.ts'
import type { Source } from './source/source.ts'
import { score } from './stages/score.ts'
import { laneOf, store } from './stages/store.ts'
import { allStored } from './store/all-stored.ts'
import { keepCheckpoints } from './store/checkpointer.ts'
import { CopyEncoder } from './store/copy-encoder.ts'
import type { DeadLetters } from './store/dead-letters.ts'
import { Lane } from './store/lane.ts'
import { refuseOtherTopics } from './store/one-topic.ts'
import type { OwnershipOptions } from './store/ownerships.ts'
import { postgresCheckpoints, postgresRecovery } from './store/recovery.ts'
import { postgresReferences, StoredReferences } from './store/references.ts'
import { postgresSessions } from './store/session.ts'
import { watch } from './watchdog.ts'
import { within } from './within.ts'

/** What differs between the ways to run. */
export interface Ends {
  source: Source
  writers: Writers
  deadLetters: DeadLetters
  close(): Promise<void>
}

export interface RunningPipeline {
  /** Base URL of metrics and health. */
  healthUrl: string
  progress: Progress
  metrics: Metrics
  /** Resolves after {@link stop}; rejects when the stream fails, with the cause. */
  done: Promise<void>
  /** Stops fetching, stores what was fetched, closes everything; within SHUTDOWN_SECONDS in any case. */
  stop(): Promise<void>
}

interface Shared {
  closing: AbortSignal
  ownership: OwnershipOptions
  progress: Progress
}

/**
 * Loads rules and model, joins the stages, and starts the source.
 * @param topic its name in the database
 * @throws FatalError when the database is another topic's
 */
export async function runStages(
  settings: Needed<'DATABASE_URL'>,
  topic: string,
  log: Logger,
  open: (shared: Shared) => Ends,
): Promise<RunningPipeline> {
  const connection: ConnectionOptions = {
    connectionString: settings.DATABASE_URL,
    application_name: `weir-pipeline-${randomBytes(4).toString('hex')}`,
  }
  const rules = loadRules(settings.RULES_FILE)
  const model = await withClient(connection, async (client) => {
    const active = await loadActiveModel(client)
    await refuseOtherTopics(client, topic)
    await storeRuleSet(client, rules)
    return active
  })
  log.info({ rules: rules.version, model: model.version, node: process.version }, 'pipeline starts')

  const closing = new AbortController()
  const metrics = createMetrics()
  nameDeciders(metrics, { rules, model, threshold: settings.ANOMALY_THRESHOLD })
  metrics.checkpointInterval.set(settings.CHECKPOINT_SECONDS)
  observeCertificates(metrics.registry, settings)
  const progress = new Progress(metrics)
  const waitsForDatabase = () => references.isWaiting || lanes.some((lane) => lane.isWaiting)
  const waitsForServer = () => writers.isWaiting || waitsForDatabase()
  const health = await serveHealth(
    settings.HOST,
    settings.PIPELINE_METRICS_PORT,
    metrics.registry,
    () => progress.ready && source.isAnswered && !waitsForServer(),
  )
  log.info({ url: health.url }, 'metrics and health are served')
  const ownership = {
    // The first rows come once a large partition is sorted.
    withRecovery: postgresRecovery({ ...connection, queryTimeoutMs: 120_000 }),
    latenessMs: settings.ALLOWED_LATENESS * HOUR,
    rates: loadRates(settings.BASE_CURRENCY, settings.RATES_FILE),
    laneOf: (partition: number) => laneName(connection, laneOf(partition, settings.LANES)),
    log,
  }
  const { source, writers, deadLetters, close } = open({ closing: closing.signal, ownership, progress })
  metrics.sampled.owned = () => source.owned()
  metrics.sampled.waiting = () => ({
    database: waitsForDatabase(),
    kafka: !source.isAnswered,
    registry: writers.isWaiting,
  })

  const months = new Set<string>()
  const lanes = Array.from(
    { length: settings.LANES },
    (_, i) =>
      new Lane({
        openSession: postgresSessions({ ...connection, application_name: laneName(connection, i) }),
        encoder: new CopyEncoder(rules.version, model.version),
        deadLetters,
        score: score(rules, model, settings.ANOMALY_THRESHOLD),
        months,
        metrics,
        log,
        closing: closing.signal,
      }),
  )
  const references = new StoredReferences({
    ensure: postgresReferences(
      {
        ...connection,
        application_name: `${connection.application_name}-lane-reference`,
        // A day of many transactions and labels: the first rows come once they are joined.
        queryTimeoutMs: 300_000,
      },
      settings.LABEL_DELAY_DAYS,
      (lastDay) => allStored(source.owned(), lastDay),
      log,
    ),
    canExpect: canBuildAhead(settings.LABEL_DELAY_DAYS, settings.ALLOWED_LATENESS),
    log,
    closing: closing.signal,
  })
  const committer = new Committer(source, log)
  const stages = fraudPipeline({
    source: source.queue.stream,
    writers,
    references,
    rules,
    model,
    threshold: settings.ANOMALY_THRESHOLD,
    size: settings.QUEUE_BATCHES,
    queues: metrics.sampled.queues,
    stageSeconds: metrics.stageSeconds,
    store: store({
      lanes,
      queueBatches: settings.QUEUE_BATCHES,
      commitMaxRecords: Math.max(settings.COMMIT_MAX_RECORDS, settings.BATCH_MAX_RECORDS),
      metrics,
      onStored(batch) {
        progress.onStored(batch)
        committer.note(batch.owner, batch.nextOffset)
      },
      onFenced({ owner }) {
        source.retake(owner).catch((error) => {
          if (!closing.signal.aborted) source.queue.stream.destroy(error)
        })
      },
    }),
  })
  const limit = settings.SHUTDOWN_SECONDS * 1000
  const release = async () => {
    await Promise.allSettled([source.stop(), ...lanes.map((lane) => lane.close()), health.close(), close()])
  }
  const done = stages
    .catch((error) => {
      // What could not be finished in time when asked to stop is no failure: its position has not moved.
      if (!closing.signal.aborted || error instanceof FatalError) throw error
      log.warn(
        { reason: error.message },
        'what could not be stored in time is dropped; its position has not moved',
      )
    })
    .finally(async () => {
      committer.stop()
      closing.abort()
      await within(limit * 0.1, release())
    })
  done.catch(() => {}) // whoever awaits it sees the error; nobody must
  try {
    await source.start()
  } catch (error) {
    source.queue.stream.destroy(error as Error)
    await done.catch(() => {})
    throw error
  }

  const checkpoints = keepCheckpoints({
    write: postgresCheckpoints({
      ...connection,
      application_name: `${connection.application_name}-checkpoint`,
      queryTimeoutMs: 30_000,
    }),
    everyMs: settings.CHECKPOINT_SECONDS * 1000,
    latenessMs: ownership.latenessMs,
    rates: ownership.rates,
    owned: () => source.owned(),
    onSaved: (partition) => progress.onSaved(partition),
    metrics,
    log,
    closing: closing.signal,
  })
  const watchdog = watch({
    stallMs: settings.WATCHDOG_SECONDS * 1000,
    owned: () => source.owned(),
    async ends() {
      const ends = await source.ends()
      // While nothing is fetched, nobody else tells how the lag grows.
      for (const { partition } of source.owned()) progress.onFetched(partition, ends.get(partition) ?? 0)
      return ends
    },
    excused: () => source.taking > 0 || references.isLoading || waitsForServer(),
    rejoin: () => source.rejoin(),
    metrics,
    log,
    closing: closing.signal,
  })
  watchdog.catch((error) => source.queue.stream.destroy(error))

  async function stop(): Promise<void> {
    if (closing.signal.aborted) return done
    closing.abort()
    // Kafka or PostgreSQL may be away: each step has its time, the whole stays within the limit.
    await within(limit * 0.1, committer.flush())
    await within(limit * 0.2, source.stop())
    source.queue.end()
    if (!(await within(limit * 0.5, stages))) {
      for (const lane of lanes) lane.destroy()
      source.queue.stream.destroy(new Error('the time to stop is over'))
    }
    await done
    await within(limit * 0.1, checkpoints)
  }
  return { healthUrl: health.url, progress, metrics, done, stop }
}

const laneName = ({ application_name }: ConnectionOptions, lane: number): string =>
  `${application_name}-lane-${lane}`
