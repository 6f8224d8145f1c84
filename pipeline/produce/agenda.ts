/** Things to come, given back in the order of their time; those of one time in the order in which they came. */
export class Agenda<T extends { at: number }> {
  readonly #heap: { item: T; order: number }[] = []
  #added = 0

  add(item: T): void {
    const heap = this.#heap
    const entry = { item, order: this.#added++ }
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent])) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = entry
  }

  /** Takes the earliest out. */
  next(): T | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined) return undefined
    if (heap.length > 0) this.#sink(last)
    return first.item
  }

  #sink(entry: { item: T; order: number }): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], entry)) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = entry
  }
}

type Entry = { item: { at: number }; order: number }

const isBefore = (a: Entry, b: Entry): boolean =>
  a.item.at < b.item.at || (a.item.at === b.item.at && a.order < b.order)
