import { Counter, type Registry } from 'prom-client'
import { sampledGauges } from '../schemas/sampled-gauge.ts'
import type { Ownership } from './batch.ts'

/** Where a partition of ours stands; offsets and milliseconds since 1970, undefined for what is not known yet. */
export interface Standing {
  /** Next offset of the topic. */
  end?: number
  /** Next offset to store. */
  position?: number
  /** Kafka's time of the newest record that is stored. */
  newestRecordAt?: number
  /** When the newest checkpoint was written, or the partition taken. */
  savedAt?: number
}

/** What is looked at only when the metrics are read: it costs nothing per batch. */
export interface Sampled {
  /** How many batches are in each queue, by its name. */
  queues: Map<string, () => number>
  owned: () => Iterable<Ownership>
  /** By partition. */
  standings: () => Iterable<[number, Standing]>
  /** Servers, and whether each is waited for. */
  waiting: () => Record<string, boolean>
}

/** Metrics that are worked out when they are read. */
export function addSampled(registry: Registry, sampled: Sampled): void {
  addStandings([registry], sampled)
  addOwned([registry], sampled)
  addWaits([registry], sampled)
}

/** Where each partition of ours stands. */
function addStandings(registers: Registry[], sampled: Sampled): void {
  const gauge = sampledGauges(registers)
  /** One number for each partition, where it is known. */
  const byPartition = (of: (standing: Standing) => number | undefined): Iterable<[string, number]> =>
    [...sampled.standings()].flatMap(([partition, standing]) => {
      const value = of(standing)
      return value === undefined ? [] : [[String(partition), value]]
    })
  const offsets = (name: string, help: string, of: (standing: Standing) => number | undefined) =>
    new Counter({
      name,
      help,
      labelNames: ['partition'],
      registers,
      collect() {
        this.reset()
        for (const [partition, value] of byPartition(of)) this.inc({ partition }, value)
      },
    })
  const seconds = (milliseconds: number | undefined) =>
    milliseconds === undefined ? undefined : milliseconds / 1000
  offsets(
    'weir_topic_records_total',
    'Records that a partition of ours has had: its next offset',
    ({ end }) => end,
  )
  offsets(
    'weir_processed_records_total',
    'Records of a partition of ours that are dealt with: the stored position',
    ({ position }) => position,
  )
  gauge('weir_lag_records', 'Records in the topic from the stored position on', 'partition', () =>
    byPartition(({ end, position }) =>
      end === undefined || position === undefined ? undefined : Math.max(0, end - position),
    ),
  )
  gauge(
    'weir_newest_record_timestamp_seconds',
    'Kafka time of the newest record that is stored',
    'partition',
    () => byPartition(({ newestRecordAt }) => seconds(newestRecordAt)),
  )
  gauge(
    'weir_checkpoint_timestamp_seconds',
    "When a partition's newest checkpoint was written, or the partition taken",
    'partition',
    () => byPartition(({ savedAt }) => seconds(savedAt)),
  )
}

/** What each partition of ours holds. */
function addOwned(registers: Registry[], sampled: Sampled): void {
  const gauge = sampledGauges(registers)
  const byOwner = (of: (owner: Ownership) => number): Iterable<[string, number]> =>
    [...sampled.owned()].map((owner) => [String(owner.partition), of(owner)])
  gauge(
    'weir_unsaved_records',
    'Records stored since the newest checkpoint: a restart reads them again from the table',
    'partition',
    () => byOwner(({ committed, checkpoint }) => Math.max(0, committed - Math.max(0, checkpoint))),
  )
  gauge(
    'weir_state_bytes',
    "Memory of the accounts' state, by partition; it grows with their number",
    'partition',
    () => byOwner(({ states }) => states.bytes),
  )
  gauge('weir_state_accounts', 'Accounts whose state is kept, by partition', 'partition', () =>
    byOwner(({ states }) => states.accounts),
  )
  gauge('weir_owned_partitions', 'Partitions that are ours and flow', null, () => [
    ['', [...sampled.owned()].length],
  ])
  gauge('weir_topic_partitions', 'Partitions of the topic; 0 while none is ours', null, () => [
    ['', Math.max(0, ...[...sampled.owned()].map(({ partitions }) => partitions))],
  ])
}

/** What waits. */
function addWaits(registers: Registry[], sampled: Sampled): void {
  const gauge = sampledGauges(registers)
  gauge(
    'weir_queued_batches',
    'Batches that wait or are worked on, by queue: QUEUE_BATCHES before a stage, at most; in all lanes together, and a ' +
      'batch more, LANES times 200 with LANES times QUEUE_BATCHES times COMMIT_MAX_RECORDS records',
    'queue',
    () => [...sampled.queues].map(([queue, length]) => [queue, length()]),
  )
  gauge('weir_waiting_for_server', '1 while a server does not answer and is waited for', 'server', () =>
    Object.entries(sampled.waiting()).map(([server, waits]) => [server, Number(waits)]),
  )
}
