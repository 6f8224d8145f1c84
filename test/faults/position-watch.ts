import { setTimeout as sleep } from 'node:timers/promises'
import { withClient } from '../../schemas/database.ts'
import type { Ctx } from './scenario.ts'

interface Look {
  partition: number
  position: number
  told: number
  rows: number
  skipped: number
}

/** In one statement, so of one instant: the position, its counters, and what is there up to it. */
const LOOK = `
  SELECT partition, next_offset AS position, stored + duplicates + dead_letters AS told,
    (SELECT count(*) FROM transactions t WHERE t.kafka_partition = p.partition) AS rows,
    (SELECT count(*) FROM skipped s WHERE s.topic = p.topic AND s.partition = p.partition) AS skipped
  FROM positions p WHERE topic = $1`

/**
 * Invariant O, as long as it runs: every position is the number of records that became rows or were skipped (so it
 * passes nothing and hides nothing), and it never goes back. For topics whose records all stand from offset 0 on.
 */
export function watchPositions(ctx: Ctx, url: string, topic: string, everyMs = 200) {
  const stopped = new AbortController()
  const highest = new Map<number, number>()
  const told = new Set<string>()
  const breach = (kind: string, text: string) => {
    if (told.has(kind)) return
    told.add(kind)
    ctx.hold('O', false, text)
  }

  function check({ partition, position, told, rows, skipped }: Look): void {
    const before = highest.get(partition) ?? 0
    if (position < before) breach('back', `position ${partition}/${before} went back to ${position}`)
    highest.set(partition, Math.max(before, position))
    if (rows + skipped !== position)
      breach('passed', `position ${partition}/${position}, but ${rows} rows and ${skipped} skipped are there`)
    if (told !== position) breach('counters', `position ${partition}/${position} counts ${told} records`)
  }

  const look = async () =>
    withClient({ connectionString: url, application_name: 'weir-watch' }, async (client) => {
      do {
        for (const row of (await client.query<Look>(LOOK, [topic])).rows) check(row)
        await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {})
      } while (!stopped.signal.aborted)
    })

  const running = (async () => {
    while (!stopped.signal.aborted) {
      // The database may be away, by the scenario's will.
      await look().catch(() => sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {}))
    }
  })()
  return {
    /** Looks a last time. */
    async stop(): Promise<void> {
      stopped.abort()
      await running
      await look()
    },
  }
}
