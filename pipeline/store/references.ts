import { type ConnectionOptions, withClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import { FatalError } from '../errors.ts'
import type { References } from '../features/merchant-features.ts'
import type { ReferenceDay } from '../features/reference-day.ts'
import { backOff, isWorthALine, reactionTo } from './reactions.ts'
import { dateOf, ensureReference } from './reference-days.ts'
import { endStopped, limitLockWaits } from './sql.ts'

/**
 * Kept in memory: a stream is at one or two days, and late at those before; only where partitions catch up with history
 * at different paces are there more. Two stay however large they are.
 */
const KEPT_BYTES = 64 * 1024 * 1024
const KEPT_DAYS = 2
/** From a try of a day to come that gave nothing until the next one. */
const EXPECT_AGAIN_MS = 60_000

export interface StoredReferencesOptions {
  /**
   * Gives the references of the days, building those that are not there.
   * @param isBlocked true when the last try ended at a lock
   */
  ensure: (days: readonly number[], isBlocked: boolean) => Promise<(ReferenceDay | null)[]>
  /** Whether a day's reference can be built before the day begins. */
  canExpect: boolean
  log: Logger
  closing: AbortSignal
}

/** The references of the database, loaded as the stream reaches their days. */
export class StoredReferences implements References {
  readonly #options: StoredReferencesOptions
  /** By day, the one that was loaded last at the end. */
  readonly #loaded = new Map<number, ReferenceDay>()
  #bytes = 0
  /** By day that is or was expected, the end of the try to have it before it was needed. */
  readonly #expected = new Map<number, Promise<void>>()
  /** True while the database is waited for, after an error. */
  isWaiting = false
  /** True while days are loaded, or built, which takes minutes where they are large. */
  isLoading = false

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
  async load(days: readonly number[]): Promise<(ReferenceDay | null)[]> {
    this.isLoading = true
    try {
      for (const day of days) await this.#expected.get(day)
      const known = days.map((day) => this.#loaded.get(day))
      const missing = days.filter((_, i) => known[i] === undefined)
      const found = missing.length === 0 ? [] : await this.#ensure(missing)
      for (const reference of found) if (reference !== null) this.#keep(reference)
      return known.map((reference) => reference ?? found.shift()!)
    } finally {
      this.isWaiting = false
      this.isLoading = false
    }
  }

  /**
   * One try for each day, whatever is asked: every batch of an evening asks, also when the day had to go from memory. What
   * fails is tried again after a while, and is told when the day is there.
   */
  expect(day: number): void {
    const { ensure, canExpect, log } = this.#options
    if (!canExpect || this.#loaded.has(day) || this.#expected.has(day)) return
    const tried = ensure([day], false).then(
      ([reference]) => {
        if (reference === null) this.#forgetLater(day)
        else this.#keep(reference)
      },
      (error) => {
        log.debug({ err: error, day: dateOf(day) }, 'no reference yet of a day to come')
        this.#forgetLater(day)
      },
    )
    this.#expected.set(day, tried)
  }

  #forgetLater(day: number): void {
    setTimeout(() => this.#expected.delete(day), EXPECT_AGAIN_MS).unref()
  }

  #keep(reference: ReferenceDay): void {
    this.#bytes += reference.bytes - (this.#loaded.get(reference.day)?.bytes ?? 0)
    this.#loaded.set(reference.day, reference)
    for (const [day, { bytes }] of this.#loaded) {
      if (this.#bytes <= KEPT_BYTES || this.#loaded.size <= KEPT_DAYS) return
      this.#loaded.delete(day)
      this.#bytes -= bytes
    }
  }

  async #ensure(days: readonly number[]): Promise<(ReferenceDay | null)[]> {
    const { ensure, log, closing } = this.#options
    let isBlocked = false
    for (let attempt = 1; ; attempt++) {
      try {
        return await ensure(days, isBlocked)
      } catch (cause) {
        const error = cause as Error
        const reaction = reactionTo(error)
        isBlocked = reaction === 'blocked'
        const which = days.map(dateOf)
        if (reaction === 'exit')
          throw new FatalError(`the references of ${which.join(', ')} cannot be had: ${error.message}`, {
            cause,
          })
        if (closing.aborted) throw error
        this.isWaiting = true
        if (isWorthALine(attempt))
          log.warn({ err: error, days: which, attempt }, 'no references yet; will be tried again')
        await backOff(attempt, closing).catch(() => {})
      }
    }
  }
}

/**
 * Over a connection for each call: it is a matter of once a day.
 * @param stored resolves once what was judged of event days up to `lastDay` is in the table, or will never be
 */
export const postgresReferences =
  (
    connection: ConnectionOptions,
    delayDays: number,
    stored: (lastDay: number) => Promise<void>,
    log: Logger,
  ): StoredReferencesOptions['ensure'] =>
  (days, isBlocked) =>
    withClient(connection, async (client) => {
      await limitLockWaits(client)
      if (isBlocked) await endStopped(client)
      const references: (ReferenceDay | null)[] = []
      for (const day of days) {
        let began = performance.now()
        const say = ({ day, parts: { merchants, events } }: ReferenceDay, what: string) => {
          const counts = { merchants: merchants.length, events: events.length }
          log.info({ day: dateOf(day), ...counts, ms: Math.round(performance.now() - began) }, what)
          began = performance.now()
        }
        const reference = await ensureReference(client, day, delayDays, {
          beforeBuilding: () => stored(day - delayDays),
          onBuilt: (built) => say(built, 'reference built'),
        })
        if (reference !== null) say(reference, 'reference loaded')
        references.push(reference)
      }
      return references
    })
