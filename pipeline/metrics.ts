import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Ownership } from './batch.ts'
import { REJECT_CODES, type RejectCode } from './errors.ts'

/** What is looked at only when the metrics are read: it costs nothing per batch. */
export interface Sampled {
  /** How many batches are in each queue, by its name. */
  queues: Map<string, () => number>
  owned: () => Iterable<Ownership>
}

/** Every metric of the pipeline; label values come from closed lists. */
export function createMetrics() {
  const sampled: Sampled = { queues: new Map(), owned: () => [] }
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const metrics = {
    registry,
    sampled,
    stored: new Counter({ name: 'weir_transactions_stored_total', help: 'Transactions stored', registers }),
    anomalies: new Counter({
      name: 'weir_anomalies_total',
      help: 'Transactions flagged and stored',
      registers,
    }),
    duplicates: new Counter({
      name: 'weir_duplicates_total',
      help: 'Records left out as duplicates',
      registers,
    }),
    deadLetters: new Counter({
      name: 'weir_dead_letters_total',
      help: 'Records sent to the dead-letter topic, by code',
      labelNames: ['code'] as const,
      registers,
    }),
    late: new Counter({
      name: 'weir_late_transactions_total',
      help: 'Transactions further behind their account than ALLOWED_LATENESS',
      registers,
    }),
    unrated: new Counter({
      name: 'weir_unrated_transactions_total',
      help: 'Transactions in a currency without a rate: their amounts are unknown to rules and models',
      registers,
    }),
    misplaced: new Counter({
      name: 'weir_misplaced_transactions_total',
      help: 'Transactions in another partition than the murmur2 hash of their account: its history is torn',
      registers,
    }),
    batches: new Counter({
      name: 'weir_batches_total',
      help: 'Batches that came to a lane, by what became of them',
      labelNames: ['outcome'] as const,
      registers,
    }),
    storeSeconds: new Histogram({
      name: 'weir_store_seconds',
      help:
        'A turn of a lane: from taking all batches that may share a COMMIT until it is known what became of each, with ' +
        'every try in between',
      buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    batchRecords: new Histogram({
      name: 'weir_batch_records',
      help: 'Records in a stored batch; several batches may share a COMMIT',
      buckets: [1, 10, 100, 1000, 2500, 5000, 10_000, 25_000, 100_000],
      registers,
    }),
    checkpointSeconds: new Histogram({
      name: 'weir_checkpoint_seconds',
      help: "To save a partition's state",
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60],
      registers,
    }),
    checkpointBytes: new Gauge({
      name: 'weir_checkpoint_bytes',
      help: "Size of a partition's newest checkpoint",
      labelNames: ['partition'] as const,
      registers,
    }),
    stalls: new Counter({
      name: 'weir_stalls_total',
      help: 'Times that some partition, of transactions or labels, stood for WATCHDOG_SECONDS although it had work',
      registers,
    }),
    lag: new Gauge({
      name: 'weir_lag_records',
      help: 'Records in the topic from the stored position on',
      labelNames: ['partition'] as const,
      registers,
    }),
    labels: new Counter({
      name: 'weir_labels_stored_total',
      help: 'Labels of the topic that were stored, by what they say. What has no label is in neither',
      labelNames: ['verdict'] as const,
      registers,
    }),
    labelsRepeated: new Counter({
      name: 'weir_labels_repeated_total',
      help: 'Labels of the topic that were stored already',
      registers,
    }),
    labelsLag: new Gauge({
      name: 'weir_labels_lag_records',
      help: 'Records in the labels topic behind what is stored',
      labelNames: ['partition'] as const,
      registers,
    }),
    queued: new Gauge({
      name: 'weir_queued_batches',
      help:
        'Batches that wait or are worked on, by queue: QUEUE_BATCHES before a stage, at most; in all lanes together, and a ' +
        'batch more, LANES times 200 with LANES times QUEUE_BATCHES times COMMIT_MAX_RECORDS records',
      labelNames: ['queue'] as const,
      registers,
      collect() {
        for (const [queue, length] of sampled.queues) this.set({ queue }, length())
      },
    }),
    stateBytes: new Gauge({
      name: 'weir_state_bytes',
      help: "Memory of the accounts' state, by partition; it grows with their number",
      labelNames: ['partition'] as const,
      registers,
      collect() {
        this.reset()
        for (const { partition, states } of sampled.owned()) this.set({ partition }, states.bytes)
      },
    }),
    stateAccounts: new Gauge({
      name: 'weir_state_accounts',
      help: 'Accounts whose state is kept, by partition',
      labelNames: ['partition'] as const,
      registers,
      collect() {
        this.reset()
        for (const { partition, states } of sampled.owned()) this.set({ partition }, states.accounts)
      },
    }),
  }
  for (const code of Object.keys(REJECT_CODES) as RejectCode[]) metrics.deadLetters.inc({ code }, 0)
  for (const verdict of ['fraud', 'genuine']) metrics.labels.inc({ verdict }, 0)
  for (const outcome of ['stored', 'fenced', 'dropped']) metrics.batches.inc({ outcome }, 0)
  return metrics
}

export type Metrics = ReturnType<typeof createMetrics>
