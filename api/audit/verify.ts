import type { Head } from '../sql/audit.ts'
import type { Anchor } from './anchor.ts'
import { type Entry, GENESIS, hashOfEntry } from './entry.ts'

/** What is wrong with the chain. */
export interface Finding {
  kind: 'edited' | 'removed' | 'inserted' | 'broken' | 'truncated' | 'head' | 'anchor'
  /** The row that it is about; of several the first. */
  seq: number
  /** The last row that it is about. */
  to: number
  message: string
}

export interface Verdict {
  /** Rows looked at. */
  rows: number
  head: Head | null
  findings: Finding[]
}

/**
 * Follows the chain from its beginning to its head.
 *
 * Each row's hash is worked out anew (edited), each must name the hash of the one before it (broken), the numbers must go
 * up by one (removed, inserted), and the last row must be the head's (removed at the end, inserted behind it, truncated).
 * Who may write everything can write the whole chain anew from some row on, and the head: that only an anchor shows, which
 * was kept outside.
 *
 * @param pages rows in the order of seq, of the same moment as the head
 */
export async function verify(
  pages: AsyncIterable<Entry[]>,
  head: Head | undefined,
  anchors: readonly Anchor[] = [],
): Promise<Verdict> {
  const chain = new Chain(anchors)
  for await (const page of pages) for (const entry of page) chain.follow(entry)
  chain.end(head)
  return { rows: chain.rows, head: head ?? null, findings: chain.findings }
}

class Chain {
  rows = 0
  readonly findings: Finding[] = []
  /** The number and hash of the last row, and the hash that its content has. */
  private last = { seq: 0, hash: GENESIS, computed: GENESIS }
  private readonly anchors: Map<number, Anchor[]>

  constructor(anchors: readonly Anchor[]) {
    this.anchors = Map.groupBy(anchors, (anchor) => anchor.seq)
  }

  follow(entry: Entry): void {
    this.rows++
    const seq = Number(entry.seq)
    const { last } = this
    if (seq <= last.seq) {
      this.find(
        'inserted',
        seq,
        seq,
        `row ${seq} (id ${entry.id}) is there more than once, or out of its place`,
      )
      return
    }
    if (seq > last.seq + 1)
      this.find('removed', last.seq + 1, seq - 1, `${named(last.seq + 1, seq - 1)} missing: removed`)
    const computed = hashOfEntry(entry)
    if (computed !== entry.hash)
      this.find(
        'edited',
        seq,
        seq,
        `row ${seq} (${entry.changed_at}, ${entry.actor}) was edited: its hash is of other content`,
      )
    else if (seq === last.seq + 1 && ![last.hash, last.computed].includes(entry.previous_hash))
      this.find(
        'broken',
        last.seq,
        seq,
        `row ${seq} does not follow row ${last.seq}: one of them was put in the place of another`,
      )
    this.compare(seq, entry.hash)
    this.last = { seq, hash: entry.hash, computed }
  }

  end(head: Head | undefined): void {
    const { last } = this
    if (head === undefined) {
      this.find(
        'head',
        last.seq,
        last.seq,
        'the head is missing: whether rows at the end were removed cannot be told',
      )
    } else if (this.rows === 0 && head.seq > 0) {
      this.find('truncated', 1, head.seq, `the table is empty: all ${head.seq} rows were removed`)
    } else if (last.seq < head.seq) {
      this.find(
        'removed',
        last.seq + 1,
        head.seq,
        `${named(last.seq + 1, head.seq)} missing at the end: removed`,
      )
    } else if (last.seq > head.seq) {
      this.find(
        'inserted',
        head.seq + 1,
        last.seq,
        `${named(head.seq + 1, last.seq)} beyond the head: inserted, or the head was set back`,
      )
    } else if (![last.hash, last.computed].includes(head.hash)) {
      this.find(
        'head',
        last.seq,
        last.seq,
        `the head does not follow row ${last.seq}: that row or the head was written anew`,
      )
    }
    for (const seq of this.anchors.keys())
      if (seq > 0)
        this.find(
          'anchor',
          seq,
          seq,
          `row ${seq} was anchored and is missing: removed, or the chain was written anew`,
        )
  }

  private compare(seq: number, hash: string): void {
    const anchors = this.anchors.get(seq)
    this.anchors.delete(seq)
    for (const { hash: anchored, at, database } of anchors ?? []) {
      if (anchored !== hash)
        this.find(
          'anchor',
          seq,
          seq,
          `row ${seq} is not the one that was anchored at ${at} (database ${database}): the chain was written anew`,
        )
    }
  }

  private find(kind: Finding['kind'], seq: number, to: number, message: string): void {
    this.findings.push({ kind, seq, to, message })
  }
}

const named = (from: number, to: number): string =>
  from === to ? `row ${from} is` : `rows ${from} to ${to} are`
