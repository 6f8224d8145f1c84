import { setTimeout as sleep } from 'node:timers/promises'
import { paced } from '../../pipeline/produce/paced.ts'
import { type ProduceResult, produce } from '../../pipeline/produce/produce.ts'
import { readFile } from '../../pipeline/produce/read-file.ts'
import { simulate } from '../../pipeline/produce/simulator.ts'
import type { TransactionSink } from '../../pipeline/produce/sink.ts'
import { withClient } from '../../schemas/database.ts'

/** Simulated live traffic from now on, until the signal. */
export async function sampleTraffic(rate: number, sink: TransactionSink, signal: AbortSignal): Promise<void> {
  const start = Date.now()
  // A small seed makes short account ids; the transactions' ids hold the time, so another run repeats none.
  const seed = Math.floor(start / 1000) % 36 ** 3
  await produce(paced(simulate({ seed, start, rate }), { rate, signal }), sink, { signal })
}

/** Sends a file; bad lines are named on stderr. */
export async function sendFile(
  path: string,
  sink: TransactionSink,
  signal: AbortSignal,
): Promise<ProduceResult> {
  const { batches } = await readFile(path, { warn: (message) => console.error(message), signal })
  return produce(batches, sink, {
    signal,
    onBad: ({ line, reason }) => console.error(`${path}: line ${line}: ${reason}`),
  })
}

/** What became of all records so far, over all partitions. */
export interface Totals {
  stored: number
  anomalies: number
  dead_letters: number
  duplicates: number
}

export const totals = ({ DATABASE_URL }: { DATABASE_URL: string }): Promise<Totals> =>
  withClient({ connectionString: DATABASE_URL, application_name: 'weir-start' }, async (client) => {
    const { rows } = await client.query<Totals>(
      `SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(anomalies), 0)::bigint AS anomalies,
              coalesce(sum(dead_letters), 0)::bigint AS dead_letters, coalesce(sum(duplicates), 0)::bigint AS duplicates
       FROM positions`,
    )
    return rows[0]
  })

/** Waits until so many more records than `before` were dealt with, and tells what became of them. */
export async function storedSince(
  before: Totals,
  records: number,
  settings: { DATABASE_URL: string },
  signal: AbortSignal,
): Promise<Totals> {
  for (;;) {
    const now = await totals(settings)
    const stored = now.stored - before.stored
    const dead_letters = now.dead_letters - before.dead_letters
    const duplicates = now.duplicates - before.duplicates
    if (stored + dead_letters + duplicates >= records) {
      return { stored, anomalies: now.anomalies - before.anomalies, dead_letters, duplicates }
    }
    await sleep(50, undefined, { signal })
  }
}
