import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Environment } from '@marcbachmann/cel-js'
import { parse } from 'yaml'
import { z } from 'zod'
import { F, FEATURES, type Feature } from '../features/features.ts'
import { type RuleContext, SHOWN_TOO, TEXTS } from './row-context.ts'

/** The code of the reason that a model gives. */
export const MODEL = 'MODEL'

const entry = z.strictObject({
  code: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'expected capitals, digits and underscores')
    .refine((code) => code !== MODEL, "the model's own code"),
  score: z.number().min(0).max(1),
  when: z.string().min(1),
  message: z.string().min(1),
})

const file = z.strictObject({
  rules: z.array(entry).superRefine((rules, context) => {
    rules.forEach(({ code }, i) => {
      const isTwice = rules.findIndex((other) => other.code === code) < i
      if (isTwice) context.addIssue({ code: 'custom', path: [i], message: 'the code stands twice' })
    })
  }),
})

export interface Rule {
  code: string
  score: number
  /** The condition, in CEL. */
  when: string
  message: string
  /** The comparisons of a feature with a number in the condition: what there is to show of it. */
  checks: Check[]
  hits: (context: RuleContext) => boolean
}

export interface Check {
  feature: Feature
  operator: string
  limit: number
}

export interface Rules {
  /** A digest of the rules' content: equal content, equal version. */
  version: string
  rules: Rule[]
}

const builtIn = new URL('./rules.yaml', import.meta.url)

/**
 * Reads, checks and compiles a file of rules.
 * @throws with the file, the rule and what is wrong with it
 */
export function loadRules(path: string | URL = builtIn): Rules {
  const content = readRules(path)
  const environment = new Environment()
  for (const name of FEATURES) environment.registerVariable(name, 'double')
  for (const name of TEXTS) environment.registerVariable(name, 'string')
  const rules = content.rules.map((rule) => {
    try {
      return compile(rule, environment)
    } catch (cause) {
      throw new Error(`${path}: rule ${rule.code}: ${(cause as Error).message}`, { cause })
    }
  })
  const version = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 12)
  return { version: `rules-${version}`, rules }
}

function readRules(path: string | URL): z.infer<typeof file> {
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause })
  }
  const parsed = file.safeParse(content)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => `${placeOf(issue.path, content)}${issue.message}`)
  throw new Error(`${path}: ${faults.join('; ')}`)
}

/** "rule HIGH_AMOUNT: score: " for the path rules, 0, score; the rule's number if it has no code. */
function placeOf([, index, ...rest]: PropertyKey[], content: unknown): string {
  if (index === undefined) return ''
  const code = (content as { rules: { code?: unknown }[] }).rules[index as number]?.code
  return [`rule ${code ?? Number(index) + 1}`, ...rest, ''].join(': ')
}

/** What an account's first transaction looks like, with everything unknown that may be. */
const SAMPLE: RuleContext = {
  ...Object.fromEntries(FEATURES.map((name) => [name, Number.NaN])),
  ...Object.fromEntries(TEXTS.map((name) => [name, ''])),
  amount: 0,
  account_count: 0,
  late: 0,
}

function compile({ code, score, when, message }: z.infer<typeof entry>, environment: Environment): Rule {
  const check = environment.check(when)
  if (!check.valid) throw new Error(check.error?.message)
  if (check.type !== 'bool') throw new Error(`gives ${check.type}, not true or false`)
  const evaluate = environment.parse(when) as unknown as Rule['hits']
  evaluate(SAMPLE) // what fails on this fails on the first transaction of every account
  for (const [, name] of message.matchAll(PLACEHOLDER)) {
    if (!Object.hasOwn(SAMPLE, name) && !SHOWN_TOO.some((other) => other === name))
      throw new Error(`the message shows {${name}}, which is no variable`)
  }
  return { code, score, when, message, checks: checksOf(when), hits: (context) => hits(evaluate, context) }
}

/** `feature >= 3.0` and the like, wherever they stand in the condition. */
function checksOf(when: string): Check[] {
  const comparisons = when.matchAll(
    /\b([a-z]\w*)\s*(>=|<=|>|<|==)\s*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?!\s*[-+*/%\w.])/g,
  )
  return [...comparisons]
    .filter(([, name]) => Object.hasOwn(F, name))
    .map(([, name, operator, limit]) => ({ feature: name as Feature, operator, limit: Number(limit) }))
}

/** A rule that fails on a transaction (a conversion, a division) does not hit: it may not stop the stream. */
function hits(evaluate: Rule['hits'], context: RuleContext): boolean {
  try {
    return evaluate(context)
  } catch {
    return false
  }
}

const PLACEHOLDER = /\{(\w+)\}/g

const shown = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const isMoney = (name: string): boolean =>
  /^(amount|account_mean|usual_amount|(sum|mean|std)_\w+)$/.test(name)

/** The message with each {name} replaced by what the context has: money with two decimals, other numbers with at most two. */
export const fillIn = (message: string, context: RuleContext): string =>
  message.replaceAll(PLACEHOLDER, (_, name: string) => {
    const value = context[name]
    if (typeof value === 'string') return value
    return Number.isNaN(value) ? 'unknown' : (isMoney(name) ? money : shown).format(value)
  })
