import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import { FatalError } from '../errors.ts'
import type { References } from '../features/merchant-labels.ts'
import type { ReferenceDay } from '../features/reference-day.ts'
import { backOff, isWorthALine, reactionTo } from './reactions.ts'
import { ensureReference } from './reference-days.ts'
import { endStopped, limitLockWaits } from './sql.ts'

/** Days that are kept in memory: a stream is at one or two, what is late at those before. */
const KEPT_DAYS = 8

export interface StoredReferencesOptions {
  /** Gives the day's reference, building it where there is none. @param isBlocked true when the last try ended at a lock */
  ensure: (day: number, isBlocked: boolean) => Promise<ReferenceDay>
  log: Logger
  closing: AbortSignal
}

/** The references of the database, loaded as the stream reaches their days. */
export class StoredReferences implements References {
  readonly #options: StoredReferencesOptions
  /** By day, the one that was loaded last at the end. */
  readonly #loaded = new Map<number, ReferenceDay>()
  /** True while the database is waited for. */
  isWaiting = false

  constructor(options: StoredReferencesOptions) {
    this.#options = options
  }

  get(day: number): ReferenceDay | undefined {
    return this.#loaded.get(day)
  }

  /**
   * Tries again what passes by itself, for as long as it takes.
   * @throws FatalError for what does not, and the last error when the process is closing
   */
  async load(day: number): Promise<ReferenceDay> {
    try {
      const reference = await this.#ensure(day)
      this.#loaded.set(day, reference)
      for (const oldest of this.#loaded.keys()) {
        if (this.#loaded.size <= KEPT_DAYS) break
        this.#loaded.delete(oldest)
      }
      return reference
    } finally {
      this.isWaiting = false
    }
  }

  async #ensure(day: number): Promise<ReferenceDay> {
    const { ensure, log, closing } = this.#options
    let isBlocked = false
    for (let attempt = 1; ; attempt++) {
      try {
        return await ensure(day, isBlocked)
      } catch (cause) {
        const error = cause as Error
        const reaction = reactionTo(error)
        isBlocked = reaction === 'blocked'
        if (reaction === 'exit')
          throw new FatalError(`the reference of ${isoDay(day)} cannot be had: ${error.message}`, { cause })
        if (closing.aborted) throw error
        this.isWaiting = true
        if (isWorthALine(attempt))
          log.warn({ err: error, day: isoDay(day), attempt }, 'no reference yet; will be tried again')
        await backOff(attempt, closing).catch(() => {})
      }
    }
  }
}

const isoDay = (day: number): string => new Date(day * 86_400_000).toISOString().slice(0, 10)

/**
 * Each over a connection of its own: it is a matter of once a day.
 * @param stored resolves once what was judged of event days up to `lastDay` is in the table, or will never be
 */
export const postgresReferences =
  (
    connection: ConnectionOptions,
    delayDays: number,
    stored: (lastDay: number) => Promise<void>,
    log: Logger,
  ): StoredReferencesOptions['ensure'] =>
  (day, isBlocked) =>
    withClient(connection, async (client) => {
      await limitLockWaits(client)
      if (isBlocked) await endStopped(client)
      const began = performance.now()
      const reference = await ensureReference(client, day, delayDays, () => stored(day - delayDays))
      const { merchants, events } = reference.parts
      const ms = Math.round(performance.now() - began)
      log.info(
        { day: isoDay(day), merchants: merchants.length, events: events.length, ms },
        'reference loaded',
      )
      return reference
    })
