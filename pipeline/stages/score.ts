import type { Batch } from '../batch.ts'
import { FEATURE_COUNT } from '../features/features.ts'
import type { Model } from '../models/model.ts'
import { createRowContext } from '../rules/row-context.ts'
import type { Rules } from '../rules/rules.ts'
import { explain } from './reasons.ts'

/**
 * A decision for every row: score = the highest of the model's and every hit rule's; an anomaly from the threshold on.
 * Scores are rounded to the 32 bits of the column first, the threshold too: what is stored is what was compared.
 */
export function score(rules: Rules, model: Model, threshold: number): (batch: Batch) => Batch {
  const limit = Math.fround(threshold)
  const context = createRowContext()
  return function scoreBatch(batch) {
    const { features, transactions } = batch
    const { states } = batch.owner
    const scores = new Float32Array(transactions.length)
    batch.anomalies.clear() // judged again without rows that were left out
    for (let row = 0; row < transactions.length; row++) {
      const at = row * FEATURE_COUNT
      const modelScore = Math.fround(model.score(features, at))
      let best = modelScore
      context.show(transactions[row], features, at)
      for (let i = 0; i < rules.rules.length; i++) {
        const rule = rules.rules[i]
        if (rule.score > best && rule.hits(context)) best = Math.fround(rule.score)
      }
      scores[row] = best
      if (best >= limit) {
        context.home = states.locationName(batch.homes[row])
        context.base_currency = states.baseCurrency
        const contributions = () => model.explain(features, at)
        batch.anomalies.set(row, explain({ context, rules: rules.rules, modelScore, contributions, limit }))
      }
    }
    batch.scores = scores
    return batch
  }
}
