import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Writers } from './decode/writers.ts'
import type { References } from './features/merchant-features.ts'
import type { Metrics } from './metrics.ts'
import type { Model } from './models/model.ts'
import type { Rules } from './rules/rules.ts'
import { decode } from './stages/decode.ts'
import { features } from './stages/features.ts'
import { score } from './stages/score.ts'
import { stage } from './stages/stage.ts'

export interface Parts {
  /** Batches of records, each partition's in order. */
  source: Readable
  writers: Writers
  references: References
  rules: Rules
  model: Model
  threshold: number
  /** Stores batches; its `final` waits for the last one. */
  store: Writable
  /** Batches that wait before a stage, at most. */
  size: number
  /** Is told how many batches wait, by the name of what they wait for. */
  queues: Map<string, () => number>
  /** Is told how long each batch was in a stage. */
  stageSeconds?: Metrics['stageSeconds']
}

/**
 * The way of the data. Each stage takes a batch and gives it on; while PostgreSQL stores one batch the next ones are
 * decoded and scored, until the bounds are reached: then the source waits, and memory stays flat.
 * Resolves when the source has ended and everything is stored.
 */
export function fraudPipeline({
  source,
  writers,
  references,
  rules,
  model,
  threshold,
  store,
  size,
  queues,
  stageSeconds,
}: Parts): Promise<void> {
  const timer = (name: string) => (seconds: number) => stageSeconds?.observe({ stage: name }, seconds)
  const stages = {
    decode: stage(size, decode(writers), timer('decode')),
    features: stage(size, features(references), timer('features')),
    score: stage(size, score(rules, model, threshold), timer('score')),
    store,
  }
  queues.set('source', () => source.readableLength)
  for (const [name, stage] of Object.entries(stages)) queues.set(name, () => stage.writableLength)
  return pipeline(source, stages.decode, stages.features, stages.score, stages.store)
}
