import type { Transaction } from '../../schemas/transaction.ts'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import { type Batch, createBatch } from '../batch.ts'
import { F, FEATURE_COUNT } from '../features/features.ts'
import { labelKind } from '../features/label-events.ts'
import type { Artifact } from '../models/artifact.ts'
import { type Model, openModel } from '../models/model.ts'
import type { Rules } from '../rules/rules.ts'
import { features } from '../stages/features.ts'
import { score } from '../stages/score.ts'
import { Comparison } from './compare.ts'
import type { Learner } from './learners.ts'
import { dayOf, isIn, KnownFrauds, type Protocol, selectTested } from './protocol.ts'
import type { HistoryReferences } from './references.ts'
import type { Input } from './sources.ts'
import { FRAUD, GOOD, type Tested, TestedRows, UNKNOWN } from './tested.ts'

export interface Plan {
  input: AsyncIterable<Input>
  references: HistoryReferences
  protocol: Protocol
  rules: Rules
  /** What decides: a model, or one that is still to be trained. */
  decider: Model | Learner
  /** ANOMALY_THRESHOLD: from here on a decision has reasons. */
  threshold: number
  onProgress: (transactions: number) => void
  signal: AbortSignal
}

export interface Result {
  tested: Tested
  /** Rows of the test span that are left out, their accounts being known as compromised. */
  leftOut: number
  /** All that was read. */
  transactions: number
  model: string
  /** What was trained. */
  trained?: Artifact
  comparison: Comparison
  /** Without the training. */
  seconds: number
}

/**
 * Sends transactions through the pipeline's own stages and keeps the decisions of the test span. Where a model is to be
 * trained, that happens when the first transaction of the test span comes: with what had passed by then.
 * @throws when none comes
 */
export async function backtest(plan: Plan): Promise<Result> {
  const { protocol, references, rules, threshold, decider, onProgress, signal } = plan
  const learner = 'train' in decider ? decider : undefined
  let judge = 'train' in decider ? undefined : judgeBy(rules, decider, threshold)
  let trained: Artifact | undefined
  const kept = new Kept(protocol)
  const addFeatures = features(references)
  const started = performance.now()
  let seconds = 0
  let transactions = 0
  for await (const { owner, transactions: some, stored } of plan.input) {
    signal.throwIfAborted()
    const batch = createBatch(owner, 0, 0, [])
    batch.transactions = some
    await addFeatures(batch)
    if (judge === undefined) learner?.take(batch)
    if (some.some((tx) => isTested(protocol, tx))) {
      if (judge === undefined) {
        const before = performance.now()
        trained = await learner!.train()
        judge = judgeBy(rules, openModel(trained), threshold)
        seconds -= (performance.now() - before) / 1000
      }
      judge.score(batch)
      kept.compare(batch, stored, judge.versions)
    }
    kept.take(batch)
    learnLabels(references, batch)
    owner.states.commit(batch.undo!)
    owner.judged.shift()
    transactions += some.length
    onProgress(transactions)
  }
  seconds += (performance.now() - started) / 1000
  const { tested, leftOut } = kept.result()
  if (judge === undefined || tested.scores.length + leftOut === 0)
    throw new Error('there is no transaction to test: none of the input is in the test span')
  return {
    tested,
    leftOut,
    transactions,
    model: judge.versions.model,
    trained,
    comparison: kept.comparison,
    seconds,
  }
}

/** What becomes of the transactions: the references give it away once the label delay is over, not before. */
function learnLabels(references: HistoryReferences, { transactions, features }: Batch): void {
  for (let row = 0; row < transactions.length; row++) {
    const tx = transactions[row]
    references.add(tx, labelKind(tx.is_fraud, features[row * FEATURE_COUNT + F.amount_ratio]))
  }
}

const judgeBy = (rules: Rules, model: Model, threshold: number) => ({
  score: score(rules, model, threshold),
  versions: { rules: rules.version, model: model.version },
})

const isTested = ({ test }: Protocol, { timestamp }: Transaction): boolean =>
  test === undefined || isIn(test, timestamp)

/** What is kept of the batches: of the test span the decisions, of all the frauds. */
class Kept {
  readonly comparison = new Comparison()
  readonly #protocol: Protocol
  readonly #rows = new TestedRows()
  readonly #known: KnownFrauds
  readonly #accounts = new Map<string, number>()

  constructor(protocol: Protocol) {
    this.#protocol = protocol
    this.#known = new KnownFrauds(protocol)
  }

  compare(batch: Batch, stored: Input['stored'], versions: { rules: string; model: string }): void {
    if (stored === undefined) return
    for (let row = 0; row < stored.length; row++) {
      if (isTested(this.#protocol, batch.transactions[row]))
        this.comparison.take(batch, row, stored[row], versions)
    }
  }

  take({ transactions, features, scores }: Batch): void {
    for (let row = 0; row < transactions.length; row++) {
      const tx = transactions[row]
      const day = dayOf(tx.timestamp)
      const account = this.#numberOf(tx.account_id)
      if (tx.is_fraud === true) this.#known.note(account, day)
      if (!isTested(this.#protocol, tx)) continue
      const amount = Math.round(features[row * FEATURE_COUNT + F.amount] * AMOUNT_UNITS)
      this.#rows.add(scores[row], labelOf(tx), account, day, amount)
    }
  }

  result(): { tested: Tested; leftOut: number } {
    const tested = selectTested(this.#rows, this.#known, this.#protocol)
    return { tested, leftOut: this.#rows.length - tested.scores.length }
  }

  #numberOf(account: string): number {
    const known = this.#accounts.get(account)
    if (known !== undefined) return known
    this.#accounts.set(account, this.#accounts.size)
    return this.#accounts.size - 1
  }
}

const labelOf = ({ is_fraud }: Transaction): number => (is_fraud === null ? UNKNOWN : is_fraud ? FRAUD : GOOD)
