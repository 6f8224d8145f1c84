import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { printable } from '../schemas/printable.ts'
import { STATUSES } from '../schemas/transaction.ts'
import type { Env } from './context.ts'
import { TEXT_PATTERN } from './openapi/values.ts'
import { type Fault, Problem } from './problems.ts'

/** The forms of everything that callers send. Malformed JSON is 400, an invalid value 422. */

const MAX_ID = 64
const MAX_NOTE = 2000
const MAX_BULK = 1000

const noNul = (text: string): boolean => !text.includes('\0')

/** PostgreSQL's text cannot hold NUL. Lengths are in characters, as JSON Schema counts them. */
const textOf = (max: number, fault: string) =>
  z
    .string()
    .refine((v) => v.length <= max || [...v].length <= max, fault)
    .refine(noNul, 'expected text without NUL')
    .openapi({ maxLength: max, pattern: TEXT_PATTERN })

const id = (example: string) =>
  textOf(MAX_ID, `expected at most ${MAX_ID} characters`)
    .refine((v) => v.length > 0, 'expected an id')
    .openapi({ minLength: 1, example })

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected an integer from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `expected at least ${min}`).max(max, `expected at most ${max}`))
    .openapi({ type: 'integer', format: 'int32', minimum: min, maximum: max })

const score = z
  .string()
  .regex(/^\d*\.?\d+(e-?\d+)?$/i, 'expected a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().min(0).max(1, 'expected a number from 0 to 1'))
  .openapi({ type: 'number', format: 'float', minimum: 0, maximum: 1 })

const money = z
  .string()
  .regex(/^\d{1,14}(\.\d{1,4})?$/, 'expected an amount such as 1250.00')
  .openapi({ maxLength: 19, pattern: '^[0-9]{1,14}(\\.[0-9]{1,4})?$' })

const status = z.enum(STATUSES, { error: `expected one of ${STATUSES.join(', ')}` })

/** An instant, cut to the millisecond. Year 0 is ISO 8601 and unknown to PostgreSQL. */
const instant = z.iso
  .datetime({ offset: true, error: 'expected an ISO 8601 time with zone, e.g. 2026-11-24T09:30:00.000Z' })
  .transform((v) => new Date(v))
  .refine((v) => v.getUTCFullYear() >= 1 && v.getUTCFullYear() <= 9999, 'expected a year from 1 to 9999')
  .transform((v) => v.toISOString())
  .openapi({ type: 'string', format: 'date-time', maxLength: 40 })

const limit = integer(1, 1000)
  .default(100)
  .openapi({ default: 100, description: 'Items in the answer, at most.' })
const cursor = z
  .string()
  .regex(/^[\w-]{1,2000}$/, 'is no cursor of this list')
  .optional()
  .openapi({
    pattern: '^[A-Za-z0-9_-]+$',
    maxLength: 2000,
    description: '`next_cursor` of an answer to the same filter and order: what comes behind it.',
  })

/** One parameter with values by commas, repeated, or both. */
const several = <T extends z.ZodType>(value: T) =>
  z.preprocess(
    (v) => (v === undefined ? v : [v].flat().flatMap((part) => String(part).split(','))),
    z.array(value).min(1).max(STATUSES.length).optional(),
  )

const filter = {
  min_score: score.default(0).openapi({ description: 'Least score.', example: 0.8 }),
  status: several(status).openapi({ description: 'Any of these; by commas, or repeated.', example: ['NEW'] }),
  account: id('ACC-7').optional(),
  merchant: textOf(200, 'expected at most 200 characters').optional().openapi({ example: 'M-31' }),
  category: textOf(200, 'expected at most 200 characters').optional().openapi({ example: 'Electronics' }),
  reason: textOf(64, 'expected at most 64 characters')
    .optional()
    .openapi({ description: 'The code of any of its reasons.', example: 'HIGH_DEVIATION' }),
  from: instant.optional().openapi({ description: 'Event time, this one included.' }),
  to: instant.optional().openapi({ description: 'Event time, this one not included.' }),
  min_amount: money.optional().openapi({ description: 'A decimal, as text.', example: '1000.00' }),
  max_amount: money.optional().openapi({ description: 'A decimal, as text.', example: '5000.00' }),
  order: z.enum(['score', 'loss']).default('score').openapi({
    description:
      'The highest score first, or the highest expected loss: score x amount in the transaction’s own currency. Ties by time, then id.',
  }),
}

export const anomalyQuery = z.object({
  ...filter,
  limit,
  offset: integer(0, 1_000_000_000).default(0).openapi({
    description:
      'Items to leave out first. A cursor is as quick on the last page as on the first; an offset is not.',
  }),
  cursor,
})
export const exportQuery = z.object({
  ...filter,
  format: z
    .enum(['csv', 'ndjson'])
    .default('csv')
    .openapi({ description: 'CSV by RFC 4180, or a JSON object a line.' }),
})
export const timelineQuery = z.object({ limit, cursor })
export const timeQuery = z.object({
  timestamp: instant.optional().openapi({
    description: 'Which one, where several event times have this id. Unset: the newest.',
    example: '2026-11-24T09:30:00.000Z',
  }),
})
export const transactionPath = z.object({ transaction_id: id('T-1042') })
export const accountPath = z.object({ account_id: id('ACC-7') })

const note = textOf(MAX_NOTE, `expected at most ${MAX_NOTE} characters`).optional()

/** Strict, since a misspelt `note` would be lost silently. */
export const statusBody = z
  .strictObject({ new_status: status, note })
  .openapi('StatusChange', { example: { new_status: 'FRAUD', note: 'Called: not me.' } })

const bulkItem = z.strictObject({
  transaction_id: id('T-1042'),
  timestamp: instant.optional(),
  version: z
    .string()
    .regex(/^\d{1,20}$/, 'expected the ETag without its quotes')
    .optional()
    .openapi({ pattern: '^[0-9]{1,20}$', maxLength: 20 }),
})
export const bulkBody = z
  .strictObject({
    transaction_ids: z.array(id('T-1042')).min(1).max(MAX_BULK).optional(),
    items: z.array(bulkItem).min(1).max(MAX_BULK).optional(),
    new_status: status,
    note,
  })
  .refine((v) => (v.items === undefined) !== (v.transaction_ids === undefined), {
    error: 'expected either transaction_ids or items',
    path: ['items'],
  })
  .openapi('BulkStatusChange', {
    example: { transaction_ids: ['T-1042', 'T-1043'], new_status: 'DISMISSED', note: 'A known merchant.' },
    oneOf: [{ required: ['transaction_ids'] }, { required: ['items'] }],
  })

export const ifMatchHeader = z.object({
  'if-match': z.string().max(1000).optional().openapi({
    pattern: '^[\\x20-\\x7E]*$',
    description: 'The ETag that was seen: the change is refused when the row has another one by now.',
    example: '"48213"',
  }),
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

/** @throws Problem 422 with each invalid field */
export async function formOf<S extends z.ZodType>(c: Context<Env>, schema: S): Promise<z.infer<S>> {
  return check(schema, await c.req.parseBody().catch(() => ({})), 'pointer')
}

function check<S extends z.ZodType>(schema: S, value: unknown, where: 'pointer' | 'parameter'): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error, where)
}

/** Who sends more faults, or names of members that are longer, gets no longer answer for it. */
const MOST_FAULTS = 100
const MOST_NAME = 100

/** The problem that names each invalid member of a body, or each invalid parameter; the first hundred of them. */
export function invalid(error: z.core.$ZodError, where: 'pointer' | 'parameter'): Problem {
  const faults = error.issues.flatMap((issue): Fault[] => {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((k) => [...issue.path, k]) : [issue.path]
    const detail = issue.code === 'unrecognized_keys' ? 'is not a known member' : issue.message
    return paths.map((path) =>
      where === 'pointer' ? { pointer: pointer(path), detail } : { parameter: String(path[0]), detail },
    )
  })
  const errors = faults.slice(0, MOST_FAULTS)
  const texts = errors.map((e) => `${e.parameter ?? e.pointer?.replace(/^#\/?/, '')}: ${e.detail}`)
  if (faults.length > errors.length) texts.push(`and ${faults.length - errors.length} more`)
  return new Problem(422, texts.join('; '), { errors })
}

const pointer = (path: readonly PropertyKey[]): string => `#${path.map((p) => `/${nameOf(p)}`).join('')}`

/** As it stands in a JSON pointer, but for what is too long or controls a terminal. */
const nameOf = (key: PropertyKey): string => {
  const name = String(key)
  const shown =
    name.length > MOST_NAME ? `${[...name.slice(0, 2 * MOST_NAME)].slice(0, MOST_NAME).join('')}…` : name
  return printable(shown).replaceAll('~', '~0').replaceAll('/', '~1')
}
