/** A row of `positions`. */
export interface PositionRow {
  partition: number
  next_offset: number
  /** The lane that stores it: another after each start of a pipeline. */
  owner: string | null
}

/**
 * What can be seen of a restart in the table `positions`: the new process claims a partition, then moves its position.
 * What the killed one had sent to the server may still be committed after the kill: it moves under the old owner.
 */
export class Takeover {
  readonly #before = new Map<number, PositionRow>()
  readonly #moved = new Set<number>()
  /** Milliseconds, as given: the first look that saw a partition claimed, a position moved, all positions moved. */
  claimedAt: number | null = null
  firstMoveAt: number | null = null
  allMovedAt: number | null = null

  /** @param rows seen before the new process started */
  constructor(rows: PositionRow[]) {
    for (const row of rows) this.#before.set(row.partition, row)
  }

  /** @param at when the rows were seen */
  look(rows: PositionRow[], at: number): void {
    for (const row of rows) {
      const before = this.#before.get(row.partition)
      if (before === undefined) throw new Error(`partition ${row.partition} was not there before the kill`)
      if (row.owner === before.owner) {
        this.#before.set(row.partition, row)
        continue
      }
      this.claimedAt ??= at
      if (row.next_offset > before.next_offset) this.#moved.add(row.partition)
    }
    if (this.#moved.size > 0) this.firstMoveAt ??= at
    if (this.#moved.size === this.#before.size) this.allMovedAt ??= at
  }
}
