import { z } from 'zod'
import { decodeCursor, encodeCursor, exactTime, placeId } from '../cursor.ts'
import type { ListedItem, Place } from '../sql/anomalies.ts'
import type { AnomalyFilter, Order } from '../sql/anomaly-filter.ts'
import type { Item } from '../sql/items.ts'

/** Ranks are negated scores, -1..0, or negated losses; nothing else may reach the statement. */
const rank = {
  score: z
    .string()
    .regex(/^-?(0|1|0\.\d{1,12}|\d(\.\d{1,12})?e-\d{1,2})$/)
    // PostgreSQL refuses what is nearer to 0 than a real can be.
    .refine((v) => Math.fround(Number(v)) !== 0 || /^-?0$/.test(v)),
  loss: z.string().regex(/^-?\d{1,14}\.\d{4}$/),
} satisfies Record<Order, z.ZodType>

const placeForm = (order: Order) => z.tuple([rank[order], exactTime, placeId])

/** @throws Problem 422 when the cursor is none of this filter and order */
export function placeOf(filter: AnomalyFilter, cursor: string): Place {
  const [rank, exact_time, transaction_id] = decodeCursor(
    listOf(filter),
    cursor,
    placeForm(filter.order ?? 'score'),
  )
  return { rank, exact_time, transaction_id }
}

export const nextCursor = (filter: AnomalyFilter, { rank, exact_time, transaction_id }: Place): string =>
  encodeCursor(listOf(filter), [rank, exact_time, transaction_id])

/** What the list depends on, in one order whatever the caller's was. */
function listOf(filter: AnomalyFilter): unknown {
  const entries = Object.entries({ ...filter, status: filter.status && [...new Set(filter.status)].sort() })
  return [
    'anomalies',
    entries.filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]
}

/** An item without what only the next page needs. */
export function shown({ version: _, rank: _rank, exact_time: _time, ...item }: ListedItem): Item {
  return item
}
