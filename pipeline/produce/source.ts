import { HOUR } from '../../schemas/time.ts'
import { type Batch, take } from './batch.ts'
import type { Options } from './options.ts'
import { paced } from './paced.ts'
import type { Progress } from './produce.ts'
import { readFile } from './read-file.ts'
import { historyOf, simulate } from './simulator.ts'

export interface Source {
  batches: AsyncIterable<Batch>
  /** The share of the work that is done, 0..1; undefined where there is no end to measure by. */
  fraction(progress: Progress): number | undefined
  /** The seed of simulated transactions. */
  seed?: number
}

export interface SourceContext {
  warn: (message: string) => void
  signal: AbortSignal
  /** Milliseconds since 1970: history ends before it, live traffic begins with it. */
  now: number
}

/** What the options ask to be sent. @throws when a file cannot be opened */
export async function openSource(options: Options, { warn, signal, now }: SourceContext): Promise<Source> {
  if (options.file !== undefined) return readFile(options.file, { warn, signal })
  const seed = options.seed ?? now
  const { generate, rate, seconds } = options
  if (generate !== undefined) {
    // The full hour, so that a seed gives the same transactions for a while.
    const history = historyOf(seed, generate, Math.floor(now / HOUR) * HOUR)
    return {
      seed,
      batches: take(simulate(history), generate),
      fraction: ({ produced }) => produced / generate,
    }
  }
  const live = simulate({ seed, start: now, rate: rate! })
  return {
    seed,
    batches: paced(live, { rate: rate!, seconds, signal }),
    fraction: ({ produced }) =>
      seconds === undefined ? undefined : Math.min(1, produced / (rate! * seconds)),
  }
}
