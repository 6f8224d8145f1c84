import type { BadLine } from './batch.ts'

/** A file of another kind has as many of them as lines. */
const TOLD = 20

/** Names a file's bad lines, the first 20. */
export class BadLines {
  readonly #file: string
  readonly #note: (text: string) => void
  count = 0

  constructor(file: string, note: (text: string) => void) {
    this.#file = file
    this.#note = note
  }

  tell({ line, reason }: BadLine): void {
    if (this.count++ < TOLD) this.#note(`${this.#file}: line ${line}: ${reason}`)
  }

  /** At the end: how many were not named. */
  tellRest(): void {
    if (this.count > TOLD) this.#note(`... and ${this.count - TOLD} more bad lines`)
  }
}
