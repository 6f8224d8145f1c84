import { randomBytes } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { explainKafka } from '../../schemas/kafka-advice.ts'
import type { Logger } from '../../schemas/log.ts'
import { createSchemaReader } from '../../schemas/registry.ts'
import type { Needed } from '../../schemas/settings.ts'
import { Writers } from '../decode/writers.ts'
import type { Metrics } from '../metrics.ts'
import type { DeadLetters } from '../store/dead-letters.ts'
import { backOff, isWorthALine } from '../store/reactions.ts'
import { within } from '../within.ts'
import { LabelConsumer } from './label-consumer.ts'
import { LabelTable } from './label-table.ts'
import { LABELS } from './read-label.ts'

export interface LabelsOptions {
  settings: Needed<'KAFKA_BROKERS' | 'SCHEMA_REGISTRY_URL' | 'DATABASE_URL'>
  kafka: Kafka
  deadLetters: DeadLetters
  metrics: Metrics
  log: Logger
}

/** A consumer that lived this long was well: the next one comes quickly again. */
const WELL_AFTER_MS = 60_000
/** A server that is silent for longer is asked again, over another connection. */
const ANSWER_MS = 30_000

/**
 * Stores the labels of the topic beside the transactions' stream, which neither waits for it nor ends with it: whatever
 * fails, a missing topic too, is tried again.
 * @returns stops it, and waits for that at most so many milliseconds; twice does no harm
 */
export function keepLabels({
  settings,
  kafka,
  deadLetters,
  metrics,
  log,
}: LabelsOptions): (limitMs: number) => Promise<void> {
  const closing = new AbortController()
  const table = new LabelTable({
    connectionString: settings.DATABASE_URL,
    // Named as a lane: it is ended like one when its process is stopped.
    application_name: `weir-pipeline-${randomBytes(4).toString('hex')}-lane-labels`,
    queryTimeoutMs: ANSWER_MS,
  })
  const writers = new Writers(createSchemaReader(settings), log, closing.signal, LABELS)
  const consumer = () =>
    new LabelConsumer({
      kafka,
      topic: settings.LABELS_TOPIC,
      groupId: `${settings.KAFKA_GROUP_ID}-labels`,
      sessionTimeoutMs: settings.KAFKA_SESSION_TIMEOUT_MS,
      stallMs: settings.WATCHDOG_SECONDS * 1000,
      writers,
      table,
      deadLetters,
      metrics,
      log: log.child({ topic: settings.LABELS_TOPIC }),
      closing: closing.signal,
    })
  const done = keepConsuming(consumer, settings, log, closing.signal).then(() => table.close())
  return async (limitMs) => {
    closing.abort()
    await within(limitMs, done)
  }
}

async function keepConsuming(
  consumer: () => LabelConsumer,
  settings: LabelsOptions['settings'],
  log: Logger,
  closing: AbortSignal,
): Promise<void> {
  const topic = settings.LABELS_TOPIC
  for (let attempt = 1; !closing.aborted; attempt++) {
    const began = performance.now()
    try {
      await consumer().run()
    } catch (error) {
      if (performance.now() - began > WELL_AFTER_MS) attempt = 1
      if (isWorthALine(attempt))
        log.warn(
          { err: explainKafka(error as Error, settings), attempt },
          `no labels from the topic ${topic}; will be tried again`,
        )
      await backOff(attempt, closing).catch(() => {})
    }
  }
}
