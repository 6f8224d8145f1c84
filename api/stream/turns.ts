import type { Query } from '../sql/database.ts'

/** The query, of which only so many run at once; the others wait, in order. */
export function takingTurns(query: Query, atOnce: number): Query {
  let free = atOnce
  const waiting: (() => void)[] = []
  return async (...statement) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await query(...statement)
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
