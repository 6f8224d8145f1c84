import { setImmediate as soon } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import type { Batch } from '../../pipeline/batch.ts'
import type { SourceRecord } from '../../pipeline/errors.ts'
import { EUROS } from '../../pipeline/features/rates.ts'
import { KafkaSource, type KafkaSourceOptions } from '../../pipeline/source/kafka-source.ts'
import type { RecoverySession } from '../../pipeline/store/recovery.ts'
import type { Claimed } from '../../pipeline/store/sql.ts'
import { quiet } from './topics.ts'
import { DAY } from './transactions.ts'
import { writersOf } from './writers.ts'

const TOPIC = 'transactions'
const events = { GROUP_JOIN: 'join', CRASH: 'crash', START_BATCH_PROCESS: 'start' }

type Payload = Record<string, unknown>

/** A Kafka of which the test is the broker: it delivers, and looks at what was paused and sought. */
export function fakeKafka() {
  const listeners = new Map<string, (event: { payload: Payload }) => void>()
  let eachBatch: (payload: Payload) => Promise<void> = async () => {}
  const fake = {
    paused: new Set<number>(),
    /** The newest seek of each partition. */
    seeks: new Map<number, number>(),
    low: 0,
    high: 1000,
    join(partitions: number[]): void {
      listeners.get(events.GROUP_JOIN)!({ payload: { memberAssignment: { [TOPIC]: partitions } } })
    },
    /** Gives the source what a fetch from an offset on has brought. */
    deliver(partition: number, from: number, records: SourceRecord[]): Promise<void> {
      const messages = records.map((r) => ({ ...r, offset: `${r.offset}`, timestamp: `${r.timestamp}` }))
      const batch = {
        topic: TOPIC,
        partition,
        fetchedOffset: `${from}`,
        highWatermark: `${fake.high}`,
        messages,
        lastOffset: () => messages.at(-1)!.offset,
      }
      const isTrue = () => true
      const isFalse = () => false
      return eachBatch({
        batch,
        resolveOffset() {},
        heartbeat: async () => {},
        isRunning: isTrue,
        isStale: isFalse,
      })
    },
    passHole(partition: number, first: number, last: number): void {
      const payload = { partition, batchSize: 0, firstOffset: `${first}`, lastOffset: `${last}` }
      listeners.get(events.START_BATCH_PROCESS)!({ payload })
    },
  }
  const eachOf = (use: (partition: number) => void) => (topics: { partitions: number[] }[]) => {
    for (const { partitions } of topics) partitions.forEach(use)
  }
  const consumer = {
    events,
    on: (event: string, listener: (event: { payload: Payload }) => void) => listeners.set(event, listener),
    connect: async () => {},
    disconnect: async () => {},
    subscribe: async () => {},
    async run(options: { eachBatch: typeof eachBatch }) {
      eachBatch = options.eachBatch
    },
    pause: eachOf((partition) => fake.paused.add(partition)),
    resume: eachOf((partition) => fake.paused.delete(partition)),
    seek: ({ partition, offset }: { partition: number; offset: string }) =>
      fake.seeks.set(partition, Number(offset)),
  }
  const admin = {
    connect: async () => {},
    disconnect: async () => {},
    fetchTopicOffsets: async () =>
      [0, 1].map((partition) => ({ partition, low: `${fake.low}`, high: `${fake.high}` })),
  }
  const kafka = { admin: () => admin, consumer: () => consumer } as unknown as Kafka
  return Object.assign(fake, { kafka })
}

interface SourceOptions extends Partial<KafkaSourceOptions> {
  claimed?: Claimed
}

/** A source that has taken the partitions 0 and 1; `drained` gives what is in its queue. */
export async function startedSource(
  { kafka, join }: ReturnType<typeof fakeKafka>,
  { claimed = { position: 0, last: null }, ...options }: SourceOptions = {},
) {
  const session: RecoverySession = {
    claimPosition: async () => claimed,
    findCheckpoint: async () => null,
    async *readHistory() {},
  }
  const source = new KafkaSource({
    kafka,
    topic: TOPIC,
    groupId: 'test',
    sessionTimeoutMs: 1000,
    batchMaxRecords: 100,
    queueBatches: 10,
    withRecovery: (use) => use(session),
    latenessMs: DAY,
    rates: EUROS,
    laneOf: () => 'lane',
    log: quiet,
    writers: options.writers ?? (await knowingOurs()),
    closing: new AbortController().signal,
    onFetched() {},
    onAssigned() {},
    onTaken() {},
    ...options,
  })
  await source.start()
  join([0, 1])
  while (source.taking > 0) await soon()
  const drained = (): Batch[] => {
    const batches: Batch[] = []
    for (let batch = source.queue.stream.read(); batch !== null; batch = source.queue.stream.read())
      batches.push(batch)
    return batches
  }
  return { source, drained }
}

async function knowingOurs() {
  const writers = writersOf()
  await writers.load([1])
  return writers
}
