import type { StreamEvent } from './events.ts'

export interface Selection {
  bytes: Buffer
  /** Events in it, by kind. */
  counts: ReadonlyMap<StreamEvent['kind'], number>
}

/** What clients get of some events, by their least score: put together once for all who want the same. */
export function selector(events: readonly StreamEvent[]): (minScore: number) => Selection {
  const known = new Map<number, Selection>()
  return (minScore) => {
    const selection = known.get(minScore) ?? select(events, minScore)
    known.set(minScore, selection)
    return selection
  }
}

function select(events: readonly StreamEvent[], minScore: number): Selection {
  // A score is a real in the database: 0.9 is compared as the real nearest to it.
  const wanted = events.filter(({ score }) => score === undefined || Math.fround(score) >= minScore)
  const counts = new Map<StreamEvent['kind'], number>()
  for (const { kind } of wanted) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return { bytes: Buffer.concat(wanted.map((event) => event.bytes)), counts }
}
