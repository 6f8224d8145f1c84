import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { REJECT_CODES } from './errors.ts'
import type { Model } from './models/model.ts'
import { MODEL, type Rules } from './rules/rules.ts'
import { addSampled, type Sampled } from './sampled-metrics.ts'
import { SEVERITIES, severityOf } from './severity.ts'

const STAGES = ['decode', 'features', 'score'] as const
/** What a lane does after a failure: reactions.ts. */
const REACTIONS = ['retry', 'blocked', 'duplicate', 'bad-row', 'exit'] as const
const LATENCIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
const STORE_TIMES = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * Every metric of the pipeline; label values come from closed lists, and begin at 0. deploy/metrics.md lists them all.
 * Nothing here is called for each transaction: counts are added up by batch.
 */
export function createMetrics() {
  const sampled: Sampled = {
    queues: new Map(),
    owned: () => [],
    standings: () => [],
    waiting: () => ({ database: false, kafka: false, registry: false }),
  }
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const make = makersFor(registry)
  const metrics = {
    registry,
    sampled,
    ...recordMetrics(make),
    ...batchMetrics(make),
    ...storeMetrics(make),
    ...checkpointMetrics(make),
    ...labelMetrics(make),
    ...deciderMetrics(make),
  }
  addSampled(registry, sampled)
  return metrics
}

function makersFor(registry: Registry) {
  const registers = [registry]
  return {
    counter: <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
      new Counter<L>({ name, help, labelNames, registers }),
    gauge: <L extends string = never>(name: string, help: string, ...labelNames: L[]) =>
      new Gauge<L>({ name, help, labelNames, registers }),
    histogram: <L extends string = never>(
      name: string,
      help: string,
      buckets: number[],
      ...labelNames: L[]
    ) => new Histogram<L>({ name, help, buckets, labelNames, registers }),
  }
}

type Makers = ReturnType<typeof makersFor>

/** What became of the records. */
function recordMetrics({ counter }: Makers) {
  const deadLetters = counter(
    'weir_dead_letters_total',
    'Records sent to the dead-letter topic, by code',
    'code',
  )
  for (const code of Object.keys(REJECT_CODES)) deadLetters.inc({ code }, 0)
  return {
    deadLetters,
    stored: counter('weir_transactions_stored_total', 'Transactions stored'),
    anomalies: counter(
      'weir_anomalies_total',
      'Transactions flagged and stored, by their main reason and by the band of their score',
      'reason',
      'severity',
    ),
    duplicates: counter('weir_duplicates_total', 'Records left out as duplicates'),
    late: counter(
      'weir_late_transactions_total',
      'Transactions further behind their account than ALLOWED_LATENESS',
    ),
    unrated: counter(
      'weir_unrated_transactions_total',
      'Transactions in a currency without a rate: their amounts are unknown to rules and models',
    ),
    misplaced: counter(
      'weir_misplaced_transactions_total',
      'Transactions in another partition than the murmur2 hash of their account: its history is torn',
    ),
  }
}

/** Batches on their way to the database. */
function batchMetrics({ counter, histogram }: Makers) {
  const stageSeconds = histogram('weir_stage_seconds', 'A batch in a stage', STORE_TIMES, 'stage')
  for (const stage of STAGES) stageSeconds.zero({ stage })
  const batches = counter(
    'weir_batches_total',
    'Batches that came to a lane, by what became of them',
    'outcome',
  )
  for (const outcome of ['stored', 'fenced', 'dropped']) batches.inc({ outcome }, 0)
  return {
    stageSeconds,
    batches,
    latency: histogram(
      'weir_end_to_end_latency_seconds',
      "From the Kafka time of a batch's first record until it is stored: where times rise with offsets no other took longer",
      LATENCIES,
    ),
    batchRecords: histogram(
      'weir_batch_records',
      'Records in a stored batch; several batches may share a COMMIT',
      [1, 10, 100, 1000, 2500, 5000, 10_000, 25_000, 100_000],
    ),
    stalls: counter(
      'weir_stalls_total',
      'Times that some partition, of transactions or labels, stood for WATCHDOG_SECONDS although it had work',
    ),
  }
}

/** The work of the lanes. */
function storeMetrics({ counter, histogram }: Makers) {
  const storeFailures = counter(
    'weir_store_failures_total',
    'Tries to store that failed, by what is done: retry = later again, blocked = what keeps a lock is ended, duplicate ' +
      'and bad-row = again without these rows, exit = the process ends',
    'reaction',
  )
  for (const reaction of REACTIONS) storeFailures.inc({ reaction }, 0)
  return {
    storeFailures,
    storeSeconds: histogram(
      'weir_store_seconds',
      'A turn of a lane: from taking all batches that may share a COMMIT until it is known what became of each, with ' +
        'every try in between',
      STORE_TIMES,
    ),
    copySeconds: histogram(
      'weir_copy_seconds',
      'One transaction in PostgreSQL that was committed: COPY, positions and COMMIT',
      STORE_TIMES,
    ),
    copyBytes: counter('weir_copy_bytes_total', 'Bytes of rows in transactions that were committed'),
  }
}

function checkpointMetrics({ gauge, histogram }: Makers) {
  return {
    checkpointSeconds: histogram(
      'weir_checkpoint_seconds',
      "To save a partition's state",
      [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60],
    ),
    checkpointBytes: gauge('weir_checkpoint_bytes', "Size of a partition's newest checkpoint", 'partition'),
    checkpointInterval: gauge('weir_checkpoint_interval_seconds', 'The setting CHECKPOINT_SECONDS'),
  }
}

/** Of the topic of labels. */
function labelMetrics({ counter, gauge }: Makers) {
  const labels = counter(
    'weir_labels_stored_total',
    'Labels of the topic that were stored, by what they say. What has no label is in neither',
    'verdict',
  )
  for (const verdict of ['fraud', 'genuine']) labels.inc({ verdict }, 0)
  return {
    labels,
    labelsRepeated: counter('weir_labels_repeated_total', 'Labels of the topic that were stored already'),
    labelsLag: gauge(
      'weir_labels_lag_records',
      'Records in the labels topic behind what is stored',
      'partition',
    ),
  }
}

/** What decides. */
function deciderMetrics({ gauge }: Makers) {
  return {
    threshold: gauge('weir_anomaly_threshold', 'The setting ANOMALY_THRESHOLD'),
    rulesInfo: gauge('weir_rules_info', 'The rules that decide in this process; always 1', 'version'),
    modelInfo: gauge('weir_model_info', 'The model that decides in this process; always 1', 'version'),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

/** What decides in this process, and every reason that it can give, at 0: so that the first anomaly of a kind is an increase. */
export function nameDeciders(
  metrics: Metrics,
  { rules, model, threshold }: { rules: Rules; model: Pick<Model, 'version'>; threshold: number },
): void {
  metrics.rulesInfo.set({ version: rules.version }, 1)
  metrics.modelInfo.set({ version: model.version }, 1)
  metrics.threshold.set(threshold)
  const limit = Math.fround(threshold)
  // A rule's score is the same each time it is the main reason, so its band is, too.
  for (const { code: reason, score } of rules.rules) {
    if (Math.fround(score) >= limit) metrics.anomalies.inc({ reason, severity: severityOf(score) }, 0)
  }
  for (const severity of SEVERITIES) metrics.anomalies.inc({ reason: MODEL, severity }, 0)
}
