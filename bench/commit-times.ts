/** When the positions were first seen where they are: of each record, when it was first known to be stored. */
export class CommitTimes {
  readonly #seen = new Map<number, { nextOffsets: number[]; times: number[]; at: number }>()

  get partitions(): number {
    return this.#seen.size
  }

  /** Records behind all positions, of partitions that begin at 0. */
  get total(): number {
    let sum = 0
    for (const { nextOffsets } of this.#seen.values()) sum += nextOffsets[nextOffsets.length - 1]
    return sum
  }

  /** Positions only move on, and are told in the order of time. */
  see(partition: number, nextOffset: number, time: number): void {
    const known = this.#seen.get(partition)
    if (known === undefined) this.#seen.set(partition, { nextOffsets: [nextOffset], times: [time], at: 0 })
    else if (known.nextOffsets[known.nextOffsets.length - 1] !== nextOffset) {
      known.nextOffsets.push(nextOffset)
      known.times.push(time)
    }
  }

  /**
   * When the record was first behind its position. A partition's records are to be asked for in ascending order.
   * @throws when it never was
   */
  of(partition: number, offset: number): number {
    const known = this.#seen.get(partition)
    if (known !== undefined) {
      const { nextOffsets, times } = known
      while (known.at < nextOffsets.length && nextOffsets[known.at] <= offset) known.at++
      if (known.at < nextOffsets.length) return times[known.at]
    }
    throw new Error(`the record ${partition}/${offset} was never behind its position`)
  }
}
