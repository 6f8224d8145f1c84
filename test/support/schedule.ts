import type { Batch, Ownership } from '../../pipeline/batch.ts'
import { FEATURE_COUNT } from '../../pipeline/features/features.ts'
import { computeFeatures } from '../../pipeline/stages/features.ts'
import { rejudgeWithout } from '../../pipeline/store/rejudge.ts'
import type { Transaction } from '../../schemas/transaction.ts'
import { batchOf } from './batches.ts'

/** What happens to a partition's batches: the next `take` transactions are judged; the oldest batch is committed; or one
 * in flight loses some of its rows, and it and its successors are judged again. */
export type Step =
  | { do: 'judge'; take: number }
  | { do: 'commit' }
  | { do: 'rejudge'; batch: number; without: number[] }

/** The features of every transaction that stayed, in order, after the steps. */
export interface Outcome {
  stayed: Transaction[]
  features: Float64Array
  homes: string[]
}

/** Plays the steps over the transactions; what is left of them at the end is judged in one batch. */
export function play(owner: Ownership, transactions: Transaction[], steps: Step[]): Outcome {
  const outcome: Batch[] = []
  let next = 0
  const judge = (take: number) => {
    const some = transactions.slice(next, next + take)
    computeFeatures(batchOf(some, owner, next))
    next += some.length
  }
  const commit = () => {
    const batch = owner.judged.shift()
    if (batch === undefined) return
    owner.states.commit(batch.undo!)
    outcome.push(batch)
  }
  for (const step of steps) {
    if (step.do === 'judge') judge(step.take)
    else if (step.do === 'commit') commit()
    else if (owner.judged.length > 0) rejudge(owner.judged[step.batch % owner.judged.length], step.without)
  }
  judge(transactions.length - next)
  while (owner.judged.length > 0) commit()
  return collect(outcome, owner)
}

function rejudge(batch: Batch, without: number[]): void {
  const rows = batch.transactions.length === 0 ? [] : without.map((row) => row % batch.transactions.length)
  rejudgeWithout(
    batch.owner,
    new Map([[batch, { duplicates: new Set(rows), rejects: new Map() }]]),
    (later) => later,
  )
}

function collect(batches: Batch[], owner: Ownership): Outcome {
  const stayed = batches.flatMap((batch) => batch.transactions)
  const features = new Float64Array(stayed.length * FEATURE_COUNT)
  let at = 0
  for (const batch of batches) {
    features.set(batch.features, at)
    at += batch.features.length
  }
  const homes = batches.flatMap((batch) => [...batch.homes].map((home) => owner.states.locationName(home)))
  return { stayed, features, homes }
}
