/**
 * A place in the stream of events: what is behind it was sent. Positions move in the transaction that stores the rows, so
 * all anomalies of a partition below its position can be seen, and none is added later; status changes are numbered in the
 * order of their commits. Its text is the id of an event, e.g. `0:1234,1:99;57`.
 */
export interface Cursor {
  /** The next offset of each partition; one that is missing begins at 0. */
  positions: ReadonlyMap<number, number>
  /** `seq` of the last row of `status_audit`. */
  audit: number
}

const FORM = /^(?:(?:\d{1,9}:\d{1,15})(?:,\d{1,9}:\d{1,15})*)?;\d{1,15}$/
/** Of a text that is looked at; 1,000 partitions are less. */
const MAX_LENGTH = 16_000

export function formatCursor({ positions, audit }: Cursor): string {
  const parts = [...positions].sort(([a], [b]) => a - b).map(([partition, next]) => `${partition}:${next}`)
  return `${parts.join(',')};${audit}`
}

/** @returns undefined for what is no cursor */
export function parseCursor(text: string): Cursor | undefined {
  if (text.length > MAX_LENGTH || !FORM.test(text)) return undefined
  const [vector, audit] = text.split(';')
  const entries = vector === '' ? [] : vector.split(',').map((part) => part.split(':').map(Number))
  const positions = new Map(entries as [number, number][])
  return positions.size === entries.length ? { positions, audit: Number(audit) } : undefined
}

/** Whether everything behind the one is behind the other, too. */
export function covers(later: Cursor, earlier: Cursor): boolean {
  if (later.audit < earlier.audit) return false
  return [...earlier.positions].every(([partition, next]) => (later.positions.get(partition) ?? 0) >= next)
}

/** Offsets of one partition, the last one excluded. */
export interface Range {
  partition: number
  from: number
  to: number
}

/** What lies between two cursors, in the order of the partitions. */
export function rangesBetween(from: Cursor, to: Cursor): Range[] {
  return [...to.positions]
    .map(([partition, next]) => ({ partition, from: from.positions.get(partition) ?? 0, to: next }))
    .filter((range) => range.from < range.to)
    .sort((a, b) => a.partition - b.partition)
}
