import { FEATURES } from '../features/features.ts'
import type { Contribution } from '../models/model.ts'
import type { RuleContext } from '../rules/row-context.ts'
import { type Check, fillIn, MODEL, type Rule } from '../rules/rules.ts'
import { inWords } from './phrases.ts'

/** Why a transaction is an anomaly: a rule that hit, or the model. */
export interface Reason {
  code: string
  score: number
  /** A sentence for people. */
  message: string
  /** Of a rule: the features that it compares with a limit. */
  checks?: (Check & { value: number | null })[]
  /** Of the model: the inputs that raised its score most, and by how much (its raw score's unit). */
  contributions?: { input: string; value: number | null; contribution: number }[]
}

/** What is stored beside the score of a flagged transaction. */
export interface Anomaly {
  /** Highest score first, ties in the order of the rules, the model last. The first one is the main reason. */
  reasons: Reason[]
  features: Record<string, number | string | null>
}

/** So many of the model's inputs are told, and so many of them in words. */
const MOST_CONTRIBUTIONS = 5
const MOST_PHRASES = 3

export interface Flagged {
  /** Everything about the transaction, by name; `home` too. */
  context: RuleContext
  rules: Rule[]
  modelScore: number
  /** What the model's score is made of; asked for only where it is a reason. */
  contributions: () => Contribution[]
  /** The threshold in 32 bits. */
  limit: number
}

/** Reasons with at least the threshold's score; there is one, else the transaction were no anomaly. */
export function explain({ context, rules, modelScore, contributions, limit }: Flagged): Anomaly {
  const reasons: Reason[] = rules
    .filter((rule) => Math.fround(rule.score) >= limit && rule.hits(context))
    .map((rule) => ({
      code: rule.code,
      score: rule.score,
      message: fillIn(rule.message, context),
      checks: rule.checks.map((check) => ({ ...check, value: known(context[check.feature] as number) })),
    }))
  if (modelScore >= limit) reasons.push(modelReason(modelScore, contributions(), context))
  reasons.sort((a, b) => Math.fround(b.score) - Math.fround(a.score))
  const features: Anomaly['features'] = {}
  for (const name of FEATURES) features[name] = known(context[name] as number)
  features.home = context.home || null
  return { reasons, features }
}

function modelReason(score: number, all: Contribution[], context: RuleContext): Reason {
  const raising = all.filter(({ contribution }) => contribution > 0)
  const phrases = [...new Set(raising.map(({ name }) => inWords(name, context)))].slice(0, MOST_PHRASES)
  const what = phrases.length === 0 ? 'no one thing by itself' : phrases.join('; ')
  return {
    code: MODEL,
    score: rounded(score),
    message: `Unusual for this account: ${what}.`,
    contributions: raising.slice(0, MOST_CONTRIBUTIONS).map(({ name, value, contribution }) => ({
      input: name,
      value: known(value),
      contribution: rounded(contribution),
    })),
  }
}

/** For JSON: null for what is unknown. */
const known = (value: number): number | null => (Number.isNaN(value) ? null : rounded(value))

/** For people and JSON: six digits after the point, four from 10^9 on, so that amounts and their sums stay exact. */
function rounded(value: number): number {
  const parts = Math.abs(value) < 1e9 ? 1e6 : 1e4
  return Math.round(value * parts) / parts
}
