import { type Batch, createBatch } from '../batch.ts'
import { F, FEATURE_COUNT } from '../features/features.ts'
import { features } from '../stages/features.ts'
import type { HistoryReferences } from './references.ts'
import type { InputSource, StoredDecision } from './sources.ts'

/** A batch with its features; it is committed when the next one is asked for. */
export interface Replayed {
  batch: Batch
  /** The decisions about it, where those are stored. */
  stored?: StoredDecision[]
}

/** A history through the stream's own stage of features: what they are live, in training and in a backtest. */
export async function* replay(
  { batches, references }: Pick<InputSource, 'batches' | 'references'>,
  signal: AbortSignal,
): AsyncGenerator<Replayed> {
  const addFeatures = features(references)
  for await (const { owner, transactions, stored } of batches) {
    signal.throwIfAborted()
    const batch = createBatch(owner, 0, 0, [])
    batch.transactions = transactions
    await addFeatures(batch)
    yield { batch, stored }
    learnLabels(references, batch)
    owner.states.commit(batch.undo!)
    owner.judged.shift()
  }
}

/** What becomes of the transactions: the references give it away once it is known and the label delay over, not before. */
function learnLabels(references: HistoryReferences, { transactions, features }: Batch): void {
  for (let row = 0; row < transactions.length; row++) {
    references.add(transactions[row], features[row * FEATURE_COUNT + F.amount_ratio])
  }
}
