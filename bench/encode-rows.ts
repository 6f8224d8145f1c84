import type { KafkaMessage } from 'kafkajs'
import { createBatch, createOwnership, type Ownership } from '../pipeline/batch.ts'
import { Writers } from '../pipeline/decode/writers.ts'
import { AccountStates } from '../pipeline/features/account-states.ts'
import { defaultArtifact, openModel } from '../pipeline/models/model.ts'
import { loadRules } from '../pipeline/rules/rules.ts'
import { recordsOf } from '../pipeline/source/records-of.ts'
import { decode } from '../pipeline/stages/decode.ts'
import { computeFeatures } from '../pipeline/stages/features.ts'
import { score } from '../pipeline/stages/score.ts'
import { CopyEncoder } from '../pipeline/store/copy-encoder.ts'
import { createLogger } from '../schemas/log.ts'
import { createRegistry } from '../schemas/registry.ts'
import { HOUR } from '../schemas/time.ts'
import { consumeAll } from './consume.ts'
import type { GroundSettings } from './ground.ts'

/** A COPY of the pipeline's, as large as it makes them under load. */
export interface EncodedBatch {
  partition: number
  rows: number
  chunks: Buffer[]
}

export interface EncodedRows {
  batches: EncodedBatch[]
  anomalies: number
  /** A time in each month that the rows are in. */
  months: Date[]
}

/** The rows that the pipeline makes of the topic, by its own stages and encoder, kept in memory. */
export async function encodeRows(
  settings: GroundSettings,
  records: number,
  signal: AbortSignal,
): Promise<EncodedRows> {
  const rules = loadRules(settings.RULES_FILE)
  const model = openModel(defaultArtifact())
  const writers = new Writers(createRegistry(settings), createLogger('bench', 'silent'), signal)
  const steps = { decode: decode(writers), score: score(rules, model, settings.ANOMALY_THRESHOLD) }
  const encoder = new CopyEncoder(rules.version, model.version)
  const owners = new Map<number, Ownership>()
  const result: EncodedRows = { batches: [], anomalies: 0, months: [] }
  const months = new Set<string>()
  // A batch is never cut: as for the lanes, in pipeline/run.ts.
  const copyRecords = Math.max(settings.COMMIT_MAX_RECORDS, settings.BATCH_MAX_RECORDS)

  async function encodeBatch(owner: Ownership, messages: KafkaMessage[]): Promise<void> {
    const records = recordsOf(messages)
    const next = records[records.length - 1].offset + 1
    const batch = createBatch(owner, records[0].offset, next, records)
    steps.score(computeFeatures(await steps.decode(batch)))
    owner.states.commit(owner.judged.shift()!.undo!)
    result.anomalies += batch.anomalies.size
    // The encoder uses its buffer again for the next batch.
    const chunks = encoder.encode([batch]).map((chunk) => Buffer.from(chunk))
    result.batches.push({ partition: owner.partition, rows: batch.transactions.length, chunks })
    for (const { timestamp } of batch.transactions) {
      const date = new Date(timestamp)
      const month = `${date.getUTCFullYear()}-${date.getUTCMonth()}`
      if (months.has(month)) continue
      months.add(month)
      result.months.push(date)
    }
  }

  await consumeAll({
    kafka: settings,
    topic: settings.TRANSACTIONS_TOPIC,
    records,
    signal,
    async onBatch(partition, messages) {
      if (!owners.has(partition)) owners.set(partition, newOwner(settings, partition))
      for (let from = 0; from < messages.length; from += copyRecords)
        await encodeBatch(owners.get(partition)!, messages.slice(from, from + copyRecords))
    },
  })
  return result
}

const newOwner = (settings: GroundSettings, partition: number): Ownership =>
  createOwnership(
    settings.TRANSACTIONS_TOPIC,
    partition,
    0,
    new AccountStates(settings.ALLOWED_LATENESS * HOUR),
  )
