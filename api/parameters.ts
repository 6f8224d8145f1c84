import type { Context } from 'hono'
import { z } from 'zod'
import { STATUSES } from '../schemas/transaction.ts'
import type { Env } from './context.ts'
import { type Fault, Problem } from './problems.ts'

/** The forms of everything that callers send. Malformed JSON is 400, an invalid value 422. */

const MAX_ID_BYTES = 64
const MAX_NOTE = 2000

const noNul = (text: string): boolean => !text.includes('\0')

/** PostgreSQL's text cannot hold NUL, and no valid id is longer: such an id is told apart from an unknown one. */
const id = z
  .string()
  .min(1, 'expected an id')
  .refine((v) => Buffer.byteLength(v) <= MAX_ID_BYTES && noNul(v), {
    error: `expected at most ${MAX_ID_BYTES} bytes without NUL`,
  })

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected an integer from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `expected at least ${min}`).max(max, `expected at most ${max}`))

const score = z
  .string()
  .regex(/^\d*\.?\d+(e-?\d+)?$/i, 'expected a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().min(0).max(1, 'expected a number from 0 to 1'))

const status = z.enum(STATUSES, { error: `expected one of ${STATUSES.join(', ')}` })

/** An instant, cut to the millisecond. Year 0 is ISO 8601 and unknown to PostgreSQL. */
const instant = z.iso
  .datetime({ offset: true, error: 'expected an ISO 8601 time with zone, e.g. 2026-11-24T09:30:00.000Z' })
  .transform((v) => new Date(v))
  .refine((v) => v.getUTCFullYear() >= 1 && v.getUTCFullYear() <= 9999, 'expected a year from 1 to 9999')
  .transform((v) => v.toISOString())

const limit = integer(1, 1000).default(100)

export const anomalyQuery = z.object({
  limit,
  offset: integer(0, 1_000_000_000).default(0),
  min_score: score.default(0),
  /** Repeatable, or a list by commas. */
  status: z.array(status).optional(),
})
export const timelineQuery = z.object({ limit })
export const timeQuery = z.object({ timestamp: instant.optional() })
export const transactionPath = z.object({ transaction_id: id })
export const accountPath = z.object({ account_id: id })

/** Strict, since a misspelt `note` would be lost silently. */
export const statusBody = z.strictObject({
  new_status: status,
  note: z.string().max(MAX_NOTE).refine(noNul, 'expected text without NUL').optional(),
})

/** The filter of the queue's page; what waits for a decision unless told otherwise. */
export const queueQuery = z.object({
  status: z
    .array(z.enum([...STATUSES, 'ALL'], { error: `expected one of ${STATUSES.join(', ')} or ALL` }))
    .length(1)
    .default(['NEW'])
    .transform(([only]) => only),
  min_score: score.default(0),
  offset: integer(0, 1_000_000_000).default(0),
})

export const loginForm = z.object({ key: z.string({ error: 'expected the key' }).min(1).max(500) })

/** The form of the pages: as {@link statusBody}, with where to go back to. */
export const statusForm = z.object({
  new_status: status,
  note: z
    .string()
    .max(MAX_NOTE)
    .refine(noNul)
    .transform((v) => v.trim() || undefined)
    .optional(),
  timestamp: instant,
  version: z.string().regex(/^\d{1,20}$/),
  back: z.string().max(1000).optional(),
})

/** @throws Problem 422 that names each invalid parameter of the path */
export function pathOf<S extends z.ZodType>(c: Context<Env>, schema: S): z.infer<S> {
  return check(schema, c.req.param(), 'parameter')
}

/** @throws Problem 422 that names each invalid parameter; unknown ones are ignored */
export function queryOf<S extends z.ZodType>(c: Context<Env>, schema: S): z.infer<S> {
  const given: Record<string, string | string[]> = {}
  for (const [name, values] of Object.entries(c.req.queries())) {
    if (name === 'status') given.status = values.flatMap((v) => v.split(','))
    else given[name] = values.length === 1 ? values[0] : values
  }
  return check(schema, given, 'parameter')
}

/** @throws Problem 415 unless it is JSON, 400 unless it can be parsed, 422 with each invalid member */
export async function bodyOf<S extends z.ZodType>(c: Context<Env>, schema: S): Promise<z.infer<S>> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type))
    throw new Problem(415, 'The body must be JSON, with Content-Type: application/json.')
  const text = await c.req.text()
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Problem(400, 'The body is not JSON.')
  }
  return check(schema, value, 'pointer')
}

/** @throws Problem 422 with each invalid field */
export async function formOf<S extends z.ZodType>(c: Context<Env>, schema: S): Promise<z.infer<S>> {
  return check(schema, await c.req.parseBody().catch(() => ({})), 'pointer')
}

function check<S extends z.ZodType>(schema: S, value: unknown, where: 'pointer' | 'parameter'): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.flatMap((issue): Fault[] => {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((k) => [...issue.path, k]) : [issue.path]
    const detail = issue.code === 'unrecognized_keys' ? 'is not a known member' : issue.message
    return paths.map((path) =>
      where === 'pointer' ? { pointer: pointer(path), detail } : { parameter: String(path[0]), detail },
    )
  })
  const summary = errors
    .map((e) => `${e.parameter ?? e.pointer?.replace(/^#\/?/, '')}: ${e.detail}`)
    .join('; ')
  throw new Problem(422, summary, { errors })
}

const pointer = (path: readonly PropertyKey[]): string =>
  `#${path.map((p) => `/${String(p).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`
