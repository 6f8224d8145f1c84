import { DAY } from '../../schemas/time.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { AMOUNT_UNITS } from '../../schemas/transaction.ts'
import type { Batch } from '../batch.ts'
import { F, FEATURE_COUNT } from '../features/features.ts'
import { labelBefore } from '../features/labelled.ts'
import { dayOf } from '../history/days.ts'
import { replay } from '../history/replay.ts'
import type { InputSource, StoredDecision } from '../history/sources.ts'
import type { Artifact } from '../models/artifact.ts'
import { type Model, openModel } from '../models/model.ts'
import type { Rules } from '../rules/rules.ts'
import { score } from '../stages/score.ts'
import type { Learner } from '../train/learners.ts'
import { Comparison } from './compare.ts'
import { isIn, KnownFrauds, type Protocol, selectTested } from './protocol.ts'
import { FRAUD, GOOD, type Tested, TestedRows, UNKNOWN } from './tested.ts'

export interface Plan {
  source: Pick<InputSource, 'batches' | 'references'>
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
  /** True where the model has learned from transactions of the test. */
  knowsAnswers: boolean
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
  const { source, protocol, rules, threshold, decider, onProgress, signal } = plan
  const learner = 'train' in decider ? decider : undefined
  let judge = 'train' in decider ? undefined : judgeBy(rules, decider, threshold)
  let trained: Artifact | undefined
  const kept = new Kept(protocol)
  const started = performance.now()
  let seconds = 0
  let transactions = 0
  for await (const { batch, stored } of replay(source, signal)) {
    const some = batch.transactions
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
    knowsAnswers: 'score' in decider && tested.days.some((day) => day * DAY < (decider.learnedUntil ?? 0)),
    trained,
    comparison: kept.comparison,
    seconds,
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

  compare(
    batch: Batch,
    stored: StoredDecision[] | undefined,
    versions: { rules: string; model: string },
  ): void {
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
      const knownBy = tx.timestamp + this.#protocol.delayDays * DAY
      if (labelBefore(tx, knownBy) === true) this.#known.note(account, day)
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
