import type { Logger } from '../schemas/log.ts'
import type { Ownership } from './batch.ts'
import type { Source } from './source/source.ts'

/** Offsets go to Kafka this often: they are for lag tools only. */
const COMMIT_EVERY_MS = 5000

/** Tells Kafka the newest positions every few seconds; a failure only leaves a tool's view a little old. */
export class Committer {
  readonly #pending = new Map<Ownership, number>()
  readonly #timer: NodeJS.Timeout
  readonly #source: Source
  readonly #log: Logger

  constructor(source: Source, log: Logger) {
    this.#source = source
    this.#log = log
    this.#timer = setInterval(() => void this.flush(), COMMIT_EVERY_MS)
  }

  note(owner: Ownership, nextOffset: number): void {
    this.#pending.set(owner, nextOffset)
  }

  async flush(): Promise<void> {
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const [owner, nextOffset] of pending) {
      await this.#source.commit(owner, nextOffset).catch((error) => {
        this.#log.debug({ err: error }, "Kafka's own offset was not moved")
      })
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
