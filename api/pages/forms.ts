import { z } from 'zod'
import { STATUSES } from '../../schemas/transaction.ts'
import { instant, integer, MAX_NOTE, noNul, rowVersion, score, status } from '../parameters.ts'

/** What the pages' own addresses and forms send. */

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

/** A decision: as the API takes it, with where to go back to. */
export const statusForm = z.object({
  new_status: status,
  note: z
    .string()
    .max(MAX_NOTE)
    .refine(noNul)
    .transform((v) => v.trim() || undefined)
    .optional(),
  timestamp: instant,
  version: rowVersion,
  back: z.string().max(1000).optional(),
})
