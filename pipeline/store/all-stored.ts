import { setTimeout as sleep } from 'node:timers/promises'
import type { Batch, Ownership } from '../batch.ts'

/**
 * Resolves once the batches with event days up to `lastDay` that are judged now are stored: there are such only where
 * history comes faster than it happened. Those of partitions that were lost never will be. Later ones are not waited for:
 * beside a stream that goes on there would be no end.
 */
export async function allStored(owned: Iterable<Ownership>, lastDay: number): Promise<void> {
  const isOld = ({ references }: Batch) => references.keys().some((day) => day <= lastDay)
  const waited = [...owned].flatMap(({ judged }) => judged.filter(isOld))
  while (waited.some((batch) => !batch.owner.lost && batch.owner.judged.includes(batch))) await sleep(5)
}
