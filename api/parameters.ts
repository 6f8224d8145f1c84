import { z } from '@hono/zod-openapi'
import { STATUSES } from '../schemas/transaction.ts'
import { TEXT_PATTERN } from './openapi/values.ts'

/** The forms of everything that callers of the API send. Those of the pages are in `pages/forms.ts`. */

const MAX_ID = 64
export const MAX_NOTE = 2000
const MAX_BULK = 1000

export const noNul = (text: string): boolean => !text.includes('\0')

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

export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, `expected an integer from ${min} to ${max}`)
    .transform(Number)
    .pipe(z.number().min(min, `expected at least ${min}`).max(max, `expected at most ${max}`))
    .openapi({ type: 'integer', format: 'int32', minimum: min, maximum: max })

export const score = z
  .string()
  .regex(/^\d*\.?\d+(e-?\d+)?$/i, 'expected a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().min(0).max(1, 'expected a number from 0 to 1'))
  .openapi({ type: 'number', format: 'float', minimum: 0, maximum: 1 })

const money = z
  .string()
  .regex(/^\d{1,14}(\.\d{1,4})?$/, 'expected an amount such as 1250.00')
  .openapi({ maxLength: 19, pattern: '^[0-9]{1,14}(\\.[0-9]{1,4})?$' })

export const status = z.enum(STATUSES, { error: `expected one of ${STATUSES.join(', ')}` })

/** An instant, cut to the millisecond. Year 0 is ISO 8601 and unknown to PostgreSQL. */
export const instant = z.iso
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

export const rowVersion = z
  .string()
  .regex(/^\d{1,20}$/, 'expected the ETag without its quotes')
  .openapi({ pattern: '^[0-9]{1,20}$', maxLength: 20 })

const bulkItem = z.strictObject({
  transaction_id: id('T-1042'),
  timestamp: instant.optional(),
  version: rowVersion.optional(),
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
