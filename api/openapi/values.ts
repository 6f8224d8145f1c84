import { z } from '@hono/zod-openapi'
import { CHANNELS, STATUSES } from '../../schemas/transaction.ts'

/** The values of answers as the OpenAPI document tells them. What callers send is in `../parameters.ts`. */

/** A record of Kafka is at most so long, and no text of it has another bound. */
const MOST_CHARACTERS = 1_048_576

/** Any text that PostgreSQL can hold: without NUL. */
export const TEXT_PATTERN = '^[^\\u0000]*$'

export const text = (maxLength = MOST_CHARACTERS) =>
  z.string().max(maxLength).openapi({ pattern: TEXT_PATTERN })
export const id = (example: string) => z.string().min(1).max(64).openapi({ pattern: TEXT_PATTERN, example })
export const time = (example = '2026-11-24T09:30:00.000Z') =>
  z.string().max(27).openapi({ format: 'date-time', description: 'ISO 8601 in UTC.', example })
export const money = (example: string) =>
  z.string().max(20).openapi({
    pattern: '^-?[0-9]{1,14}\\.[0-9]{4}$',
    description: 'A decimal with four decimals, exact.',
    example,
  })
export const score = z.number().min(0).max(1).openapi({ format: 'float', example: 0.85 })
export const number = z.number().openapi({ format: 'double' })
export const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER).openapi({ format: 'int64' })
export const status = z.enum(STATUSES).openapi({ description: 'What an analyst decided.', example: 'NEW' })
export const channel = z.enum(CHANNELS).openapi({ example: 'ECOMMERCE' })
export const currency = z.string().length(3).openapi({ pattern: '^[A-Za-z]{3}$', example: 'EUR' })
/** What a rule or a model is called in reasons. */
export const code = z.string().max(64).openapi({ pattern: TEXT_PATTERN, example: 'HIGH_DEVIATION' })
export const version = (example: string) => z.string().max(200).openapi({ pattern: TEXT_PATTERN, example })

/** The version of a row, as in its ETag. */
export const rowVersion = z
  .string()
  .max(20)
  .openapi({ pattern: '^[0-9]{1,20}$', example: '48213', description: 'As in the ETag, without its quotes.' })

export const nextCursor = z.string().max(2000).nullable().openapi({
  pattern: '^[A-Za-z0-9_-]+$',
  description: 'Send it as `cursor` with the same filter and order for what comes next; null at the end.',
  example: null,
})
