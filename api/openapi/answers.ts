import type { z } from '@hono/zod-openapi'
import { LIMIT_HEADERS } from './failures.ts'

/**
 * An answer of JSON, with an example.
 * @throws when the example is none: then no app can be made
 */
export function answer<S extends z.ZodType>(
  description: string,
  schema: S,
  example: z.output<S>,
  headers: Record<string, { $ref: string }> = LIMIT_HEADERS,
) {
  schema.parse(example)
  return { description, headers, content: { 'application/json': { schema, example } } }
}
