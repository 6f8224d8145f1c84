import type { BadLine, Batch } from './batch.ts'
import type { TransactionSink } from './sink.ts'

/** Batches that are sent and not yet acknowledged, at most: memory is bounded, and a slow sink slows the source. */
const MAX_UNACKNOWLEDGED = 3

export interface Progress {
  /** Records acknowledged. */
  produced: number
  bad_lines: number
  /** Amounts that were written with more than four decimals. */
  rounded: number
}

export interface ProduceResult extends Progress {
  seconds: number
}

export interface ProduceOptions {
  /** Called after each batch that was read or acknowledged. */
  onProgress?: (progress: Progress) => void
  /** Called for each bad line, in the order of the file. */
  onBad?: (bad: BadLine) => void
  /** Ends the sending; what was sent is still waited for. */
  signal?: AbortSignal
}

/**
 * Sends all batches to the sink, in order, and waits for the acknowledgements.
 * @throws what the source or the sink threw, after the wait; onProgress has then told what was acknowledged
 */
export async function produce(
  batches: AsyncIterable<Batch>,
  sink: TransactionSink,
  { onProgress, onBad, signal }: ProduceOptions = {},
): Promise<ProduceResult> {
  const started = performance.now()
  const progress: Progress = { produced: 0, bad_lines: 0, rounded: 0 }
  const unacknowledged = new Set<Promise<void>>()
  const failures: unknown[] = []

  const send = (batch: Batch): void => {
    const sent: Promise<void> = sink
      .send(batch.transactions)
      .then(
        () => {
          progress.produced += batch.transactions.length
          onProgress?.({ ...progress })
        },
        (error) => failures.push(error),
      )
      .then(() => void unacknowledged.delete(sent))
    unacknowledged.add(sent)
  }

  try {
    for await (const batch of batches) {
      if (signal?.aborted || failures.length > 0) break
      for (const bad of batch.bad) onBad?.(bad)
      progress.bad_lines += batch.bad.length
      progress.rounded += batch.rounded
      onProgress?.({ ...progress })
      if (batch.transactions.length > 0) send(batch)
      while (unacknowledged.size >= MAX_UNACKNOWLEDGED) await Promise.race(unacknowledged)
    }
  } catch (error) {
    // A read that waits is ended by the same signal.
    if (!signal?.aborted || (error as Error).name !== 'AbortError') failures.push(error)
  }
  await Promise.all(unacknowledged)
  if (failures.length > 0) throw failures[0]
  return { ...progress, seconds: (performance.now() - started) / 1000 }
}
