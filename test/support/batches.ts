import { type Batch, createBatch, createOwnership, type Ownership } from '../../pipeline/batch.ts'
import { AccountStates } from '../../pipeline/features/account-states.ts'
import { F, FEATURE_COUNT, FEATURES, type Feature } from '../../pipeline/features/features.ts'
import type { Model } from '../../pipeline/models/model.ts'
import { loadRules, type Rules } from '../../pipeline/rules/rules.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { score } from '../../pipeline/stages/score.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { DAY, record } from './transactions.ts'

/** A partition without history. */
export const ownership = ({ partition = 0, latenessMs = DAY } = {}): Ownership =>
  createOwnership('transactions', partition, 0, new AccountStates(latenessMs))

/** A batch as it leaves the decoder: row i is the record of offset `from` + i. */
export function batchOf(transactions: Transaction[], owner = ownership(), from = 0): Batch {
  const records = transactions.map((_, i) => record(null, { offset: from + i }))
  const batch = createBatch(owner, from, from + records.length, records)
  batch.transactions = [...transactions]
  batch.recordOf = transactions.map((_, i) => i)
  return batch
}

/** A model that gives the same score to everything. */
export const constantModel = (value: number): Model => ({
  version: 'constant',
  score: () => value,
  explain: () => [],
})

/** Features and scores of the transactions, judged in one batch. */
export function judge(
  transactions: Transaction[],
  { owner = ownership(), rules = loadRules(), model = constantModel(0), threshold = 0.7 } = {} as {
    owner?: Ownership
    rules?: Rules
    model?: Model
    threshold?: number
  },
): Batch {
  return score(rules, model, threshold)(computeFeatures(batchOf(transactions, owner)))
}

/** Codes of the reasons of the batch's last transaction; empty if it is no anomaly. */
export const lastCodes = (batch: Batch): string[] =>
  batch.anomalies.get(batch.transactions.length - 1)?.reasons.map((r) => r.code) ?? []

export const feature = (batch: Batch, row: number, name: Feature): number =>
  batch.features[row * FEATURE_COUNT + F[name]]

/** A row of features: everything unknown, but for what is given. */
export function featureRow(given: Partial<Record<Feature, number>>): Float64Array {
  return Float64Array.from(FEATURES, (name) => given[name] ?? Number.NaN)
}
