import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Environment } from '@marcbachmann/cel-js'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Transaction } from '../../schemas/transaction.ts'
import { FEATURES } from '../features/features.ts'

const file = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        code: z.string().regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'expected capitals, digits and underscores'),
        score: z.number().min(0).max(1),
        when: z.string().min(1),
        message: z.string().min(1),
      }),
    )
    .refine((rules) => new Set(rules.map((r) => r.code)).size === rules.length, 'each code may stand once'),
})

export interface Rule {
  code: string
  score: number
  message: string
  hits: (context: RuleContext) => boolean
}

export interface Rules {
  /** A digest of the rules' content: equal content, equal version. */
  version: string
  rules: Rule[]
}

const TEXTS = ['merchant_category', 'location', 'channel', 'currency'] as const

/** What a rule sees: one object, filled anew for each transaction. */
export type RuleContext = Record<string, number | string>

/** @returns the context for the row at `at`, written into `context` */
export function fillContext(
  context: RuleContext,
  tx: Transaction,
  features: Float64Array,
  at: number,
): RuleContext {
  for (let i = 0; i < FEATURES.length; i++) context[FEATURES[i]] = features[at + i]
  context.merchant_category = tx.merchant_category
  context.location = tx.location
  context.channel = tx.channel
  context.currency = tx.currency
  return context
}

const builtIn = new URL('./rules.yaml', import.meta.url)

/**
 * Reads, checks and compiles a file of rules.
 * @throws with the file, the rule and what is wrong with it
 */
export function loadRules(path: string | URL = builtIn): Rules {
  const parsed = file.safeParse(parse(readFileSync(path, 'utf8')))
  if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`)
  const environment = new Environment()
  for (const name of FEATURES) environment.registerVariable(name, 'double')
  for (const name of TEXTS) environment.registerVariable(name, 'string')

  const rules = parsed.data.rules.map(({ code, score, when, message }) => {
    const check = environment.check(when)
    if (!check.valid) throw new Error(`${path}: rule ${code}: ${check.error?.message}`)
    if (check.type !== 'bool')
      throw new Error(`${path}: rule ${code}: gives ${check.type}, not true or false`)
    return { code, score, message, hits: environment.parse(when) as unknown as Rule['hits'] }
  })
  const version = createHash('sha256').update(JSON.stringify(parsed.data)).digest('hex').slice(0, 12)
  return { version: `rules-${version}`, rules }
}
