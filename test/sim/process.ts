import { setTimeout as sleep } from 'node:timers/promises'
import { Writers } from '../../pipeline/decode/writers.ts'
import { FatalError } from '../../pipeline/errors.ts'
import { NO_REFERENCES } from '../../pipeline/features/merchant-features.ts'
import { EUROS } from '../../pipeline/features/rates.ts'
import { createMetrics } from '../../pipeline/metrics.ts'
import { fraudPipeline } from '../../pipeline/pipeline.ts'
import { KafkaSource } from '../../pipeline/source/kafka-source.ts'
import { store } from '../../pipeline/stages/store.ts'
import { keepCheckpoints } from '../../pipeline/store/checkpointer.ts'
import { CopyEncoder } from '../../pipeline/store/copy-encoder.ts'
import { Lane } from '../../pipeline/store/lane.ts'
import type { Logger } from '../../schemas/log.ts'
import { rules, scoreBatch, sensitiveModel, THRESHOLD } from './judge.ts'
import { TOPIC } from './records.ts'
import { simCheckpoints, simRecovery } from './recoveries.ts'
import type { Host, Scheduler } from './scheduler.ts'
import { simSessions } from './sessions.ts'
import type { World } from './world.ts'

const metrics = createMetrics()
/** Their buffers are large: used again once a simulation is over. */
const encoders: CopyEncoder[] = []
let taken = 0
export const giveBackEncoders = (): void => {
  taken = 0
}
function takeEncoder(): CopyEncoder {
  encoders[taken] ??= new CopyEncoder(rules.version, sensitiveModel.version)
  return encoders[taken++]
}

export interface SimProcess {
  host: Host
  source: KafkaSource
  stop: () => Promise<void>
}

/** The pipeline as `run.ts` joins it, over the simulated servers. Must be called in its host. */
export function startProcess(world: World): SimProcess {
  const { scheduler, plan } = world
  const host = scheduler.current!
  const closing = new AbortController()
  const log = traceLogger(scheduler)
  const laneName = (lane: number) => `${host.name}-lane-${lane}`
  const writers = new Writers(world.registry, log, closing.signal)
  const source = new KafkaSource({
    kafka: world.kafka.client(),
    topic: TOPIC,
    groupId: 'weir',
    sessionTimeoutMs: 1000,
    batchMaxRecords: plan.batchMaxRecords,
    queueBatches: plan.queueBatches,
    withRecovery: simRecovery(world, `${host.name}-recovery`),
    latenessMs: plan.latenessMs,
    rates: EUROS,
    laneOf: (partition) => laneName(partition % plan.lanes),
    log,
    writers,
    closing: closing.signal,
    onFetched: () => {},
    onAssigned: () => {},
    onTaken: () => {},
  })
  const months = new Set<string>()
  const lanes = Array.from(
    { length: plan.lanes },
    (_, i) =>
      new Lane({
        openSession: simSessions(world, laneName(i)),
        encoder: takeEncoder(),
        deadLetters: world.dead,
        score: scoreBatch,
        months,
        log,
        closing: closing.signal,
      }),
  )
  const stages = fraudPipeline({
    source: source.queue.stream,
    writers,
    references: NO_REFERENCES,
    rules,
    model: sensitiveModel,
    threshold: THRESHOLD,
    size: plan.queueBatches,
    queues: metrics.sampled.queues,
    store: store({
      lanes,
      queueBatches: plan.queueBatches,
      commitMaxRecords: plan.commitRecords,
      metrics,
      onStored({ owner, nextOffset }) {
        if (scheduler.random.chance(0.3)) source.commit(owner, nextOffset).catch(() => {})
      },
      onFenced(batch) {
        const { owner } = batch
        scheduler.note(`fenced from ${owner.partition}`)
        world.watchFence(batch)
        source.retake(owner).catch((error) => {
          if (!closing.signal.aborted) source.queue.stream.destroy(error)
        })
      },
    }),
  })
  const process: SimProcess = { host, source, stop }
  stages.catch((error) => {
    if (!closing.signal.aborted || error instanceof FatalError)
      world.violate('process', `${host.name} ended by itself: ${error.stack}`)
  })
  source.start().catch((error) => source.queue.stream.destroy(error))
  const checkpoints = keepCheckpoints({
    write: simCheckpoints(world, `${host.name}-checkpoint`),
    everyMs: plan.checkpointMs,
    latenessMs: plan.latenessMs,
    rates: EUROS,
    owned: () => source.owned(),
    metrics,
    log,
    closing: closing.signal,
  })
  checkpoints.catch((error) => world.violate('process', `checkpoints ended: ${error.stack}`))
  world.processes.add(process)
  return process

  async function stop(): Promise<void> {
    if (closing.signal.aborted) return
    scheduler.note('is asked to stop')
    closing.abort()
    await within(2000, source.stop())
    source.queue.end()
    if (!(await within(5000, stages))) {
      for (const lane of lanes) lane.destroy()
      source.queue.stream.destroy(new Error('the time to stop is over'))
    }
    await Promise.allSettled(lanes.map((lane) => lane.close()))
    scheduler.note('has stopped')
    world.crash(host)
  }
}

const within = (ms: number, promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    promise.then(
      () => true,
      () => false,
    ),
    sleep(ms, false),
  ])

/** What the process logs is part of the trace. */
function traceLogger(scheduler: Scheduler): Logger {
  const note = (fields: { err?: Error }, message: string) =>
    scheduler.note(`log: ${message}${fields.err === undefined ? '' : ` (${fields.err.message})`}`)
  return { debug: note, info: note, warn: note, error: note } as unknown as Logger
}
