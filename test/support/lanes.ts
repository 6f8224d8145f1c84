import { Readable } from 'node:stream'
import type { Batch, Ownership } from '../../pipeline/batch.ts'
import { NO_REFERENCES } from '../../pipeline/features/merchant-features.ts'
import { createMetrics } from '../../pipeline/metrics.ts'
import type { Model } from '../../pipeline/models/model.ts'
import { fraudPipeline } from '../../pipeline/pipeline.ts'
import { loadRules } from '../../pipeline/rules/rules.ts'
import { store } from '../../pipeline/stages/store.ts'
import type { Lane, StoreOutcome } from '../../pipeline/store/lane.ts'
import { constantModel } from './batches.ts'
import { registryOf, writersOf } from './writers.ts'

/** Lanes without a database: what `store` returns is what becomes of a batch. */
function fakeLanes(
  count: number,
  { store: storeOne, onTogether }: Pick<RunOptions, 'store' | 'onTogether'>,
): Lane[] {
  const store: Lane['store'] = async (batches, settle) => {
    onTogether?.(batches)
    for (const batch of batches) settle(batch, await storeOne(batch))
  }
  return Array.from({ length: count }, () => ({ store }) as unknown as Lane)
}

export interface RunOptions {
  source: Iterable<Batch> | AsyncIterable<Batch>
  store: (batch: Batch) => Promise<StoreOutcome>
  /** Is told what a lane is to store in one transaction. */
  onTogether?: (batches: readonly Batch[]) => void
  lanes?: number
  /** Batches of four records that wait before a stage. */
  size?: number
  /** Records that are stored together, at most. */
  together?: number
  model?: Model
  registry?: Parameters<typeof writersOf>[0]
}

/** The whole pipeline over an in-memory source and lanes without a database. */
export function runPipeline({ source, lanes = 2, size = 2, together = 4, ...options }: RunOptions) {
  const stored: Batch[] = []
  const fenced: Ownership[] = []
  const metrics = createMetrics()
  const end = store({
    lanes: fakeLanes(lanes, options),
    queueBatches: size,
    commitMaxRecords: together,
    metrics,
    onStored: (batch) => stored.push(batch),
    onFenced: ({ owner }) => fenced.push(owner),
  })
  const done = fraudPipeline({
    source: Readable.from(source, { highWaterMark: size }),
    writers: writersOf(options.registry ?? registryOf()),
    references: NO_REFERENCES,
    rules: loadRules(),
    model: options.model ?? constantModel(0),
    threshold: 0.7,
    store: end,
    size,
    queues: metrics.sampled.queues,
  })
  done.catch(() => {}) // tests that expect an error await it later
  return { done, stored, fenced, metrics }
}
