import { z } from 'zod'
import { STATUSES } from '../../schemas/transaction.ts'
import { instant, integer, MAX_NOTE, noNul, rowVersion, score, status, timeQuery } from '../parameters.ts'

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

const LONGEST_BACK = 1000

/** Where to go back to: a path of this server, whatever the address or the form says, and never another site. */
const back = z
  .string()
  .optional()
  .transform((given) => {
    const base = 'http://weir.invalid'
    if (given === undefined || given.length > LONGEST_BACK || !URL.canParse(given, base)) return '/'
    const url = new URL(given, base)
    // A blob's origin is that of the address in it.
    const isHere = url.origin === base && url.protocol === 'http:'
    return isHere ? url.pathname.replace(/^\/+/, '/') + url.search : '/'
  })

/** Which anomaly, and the place in the queue that one came from. */
export const detailQuery = timeQuery.extend({ back })

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
  back,
})
