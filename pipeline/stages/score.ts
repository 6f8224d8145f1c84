import type { Batch } from '../batch.ts'
import { FEATURE_COUNT, FEATURES } from '../features/features.ts'
import type { Model } from '../models/model.ts'
import { fillContext, fillIn, MODEL, type Rule, type RuleContext, type Rules } from '../rules/rules.ts'

export interface Reason {
  code: string
  score: number
  message: string
}

/** What is stored beside the score of a flagged transaction. */
export interface Anomaly {
  /** Highest score first, ties in the order of the rules, the model last. The first one is the main reason. */
  reasons: Reason[]
  features: Record<string, number | string | null>
}

/**
 * A decision for every row: score = the highest of the model's and every hit rule's; an anomaly from the threshold on.
 * Scores are rounded to the 32 bits of the column first, the threshold too: what is stored is what was compared.
 */
export function score(rules: Rules, model: Model, threshold: number): (batch: Batch) => Batch {
  const limit = Math.fround(threshold)
  // With every feature from the beginning, so that the object keeps its shape.
  const context: RuleContext = Object.fromEntries(FEATURES.map((name) => [name, Number.NaN]))
  return function scoreBatch(batch) {
    const { features, transactions } = batch
    const scores = new Float32Array(transactions.length)
    batch.anomalies.clear()
    for (let row = 0; row < transactions.length; row++) {
      const at = row * FEATURE_COUNT
      const modelScore = Math.fround(model.score(features, at))
      let best = modelScore
      fillContext(context, rules.reads, transactions[row], features, at)
      for (let i = 0; i < rules.rules.length; i++) {
        const rule = rules.rules[i]
        if (rule.score > best && rule.hits(context)) best = Math.fround(rule.score)
      }
      scores[row] = best
      if (best >= limit) {
        fillContext(context, FEATURES, transactions[row], features, at)
        context.home = batch.owner.states.locationName(batch.homes[row])
        batch.anomalies.set(row, explain(rules.rules, context, modelScore, limit))
      }
    }
    batch.scores = scores
    return batch
  }
}

/** Reasons with at least the threshold's score; there is one, else the transaction were no anomaly. */
function explain(rules: Rule[], context: RuleContext, modelScore: number, limit: number): Anomaly {
  const reasons: Reason[] = rules
    .filter((rule) => Math.fround(rule.score) >= limit && rule.hits(context))
    .map((rule) => ({ code: rule.code, score: rule.score, message: fillIn(rule.message, context) }))
  if (modelScore >= limit) {
    const message = 'The model finds the amount, the pace or the place rare for this account.'
    reasons.push({ code: MODEL, score: rounded(modelScore), message })
  }
  reasons.sort((a, b) => Math.fround(b.score) - Math.fround(a.score))
  const features: Anomaly['features'] = {}
  for (const name of FEATURES)
    features[name] = Number.isNaN(context[name]) ? null : rounded(context[name] as number)
  features.home = context.home || null
  return { reasons, features }
}

/** For people and JSON: six digits after the point, four from 10^9 on, so that amounts and their sums stay exact. */
function rounded(value: number): number {
  const parts = Math.abs(value) < 1e9 ? 1e6 : 1e4
  return Math.round(value * parts) / parts
}
