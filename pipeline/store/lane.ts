import type { Logger } from '../../schemas/log.ts'
import type { Batch, Ownership } from '../batch.ts'
import { FatalError } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import type { CopyEncoder } from './copy-encoder.ts'
import { type DeadLetters, oneRequest } from './dead-letters.ts'
import { findBadRow, findDuplicates } from './late-rejects.ts'
import { movesOf } from './moves.ts'
import { backOff, isWorthALine, reactionTo } from './reactions.ts'
import { rejudgeWithout } from './rejudge.ts'
import type { OpenSession, StoreSession } from './session.ts'

/** What became of a batch: `fenced` = the partition is not ours any more; `dropped` = closing while it could not be stored. */
export type StoreOutcome = 'stored' | 'fenced' | 'dropped'

export interface LaneOptions {
  openSession: OpenSession
  encoder: CopyEncoder
  deadLetters: DeadLetters
  score: (batch: Batch) => Batch
  /** Months whose partition is known to be there; shared by all lanes. */
  months: Set<string>
  log: Logger
  closing: AbortSignal
}

/** A connection that stores batches, for as long as it takes. */
export class Lane {
  #session: StoreSession | null = null
  /** After an error that leaves open whether a COMMIT took place: the positions that it would have left. */
  readonly #uncertain = new Map<Ownership, number>()
  /** True while a server is waited for. */
  isWaiting = false
  /** The failure that was told last: another one is told at once. */
  #told = ''
  readonly #options: LaneOptions

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /**
   * Stores batches, each partition's in order, and moves their positions: all in one transaction (a group commit), or else
   * each in its own, which tells what is wrong with which. Retries what passes by itself.
   * @param settle is told what became of each, in order
   * @throws FatalError for what does not pass
   */
  async store(
    batches: readonly Batch[],
    settle: (batch: Batch, outcome: StoreOutcome) => void,
  ): Promise<void> {
    try {
      if (batches.length > 1 && (await this.#storeTogether(batches))) {
        for (const batch of batches) settle(batch, 'stored')
        return
      }
      for (const batch of batches) settle(batch, await this.#storeWhen(batch))
    } finally {
      this.isWaiting = false
    }
  }

  /** One try. @returns false when it failed, or may have */
  async #storeTogether(batches: readonly Batch[]): Promise<boolean> {
    if (this.#session === null || this.#uncertain.size > 0) return false
    try {
      return (await this.#tryOnce(this.#session, batches)) === 'stored'
    } catch (error) {
      if (error instanceof FatalError) throw error
      this.#options.log.debug({ err: error, batches: batches.length }, 'not stored together')
      return false
    }
  }

  async #storeWhen(batch: Batch): Promise<StoreOutcome> {
    let prepare: (() => Promise<void>) | null = null
    let isBlocked = false
    for (let attempt = 1; ; attempt++) {
      if (batch.owner.lost) {
        this.#uncertain.delete(batch.owner)
        return 'fenced'
      }
      try {
        const session = await this.#connected()
        if (isBlocked) await session.endStopped()
        const landed = this.#uncertain.get(batch.owner)
        if (landed !== undefined) {
          const outcome = await this.#resolve(session, batch, landed)
          if (outcome !== 'retry') return outcome
        }
        const preparation: (() => Promise<void>) | null = prepare
        prepare = null // if it fails, the next try tells again what is wrong
        await preparation?.()
        return await this.#tryOnce(session, [batch])
      } catch (cause) {
        const error = cause as Error & { code?: string }
        const reaction = reactionTo(error)
        isBlocked = reaction === 'blocked'
        if (error instanceof FatalError) throw error
        if (reaction === 'exit')
          throw new FatalError(`PostgreSQL refuses to store: ${error.message}`, { cause })
        if (reaction === 'duplicate') prepare = () => this.#leaveOutDuplicates(batch)
        else if (reaction === 'bad-row') prepare = () => this.#leaveOutBadRow(batch, error)
        else if (!(await this.#retryLater(error, attempt))) return 'dropped'
      }
    }
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.close().catch(() => {})
  }

  /** Cuts the connection in the middle of whatever it does. */
  destroy(): void {
    this.#session?.destroy()
    this.#session = null
  }

  async #connected(): Promise<StoreSession> {
    if (this.#session !== null) return this.#session
    let session: StoreSession | null = null
    session = await this.#options.openSession((error) => {
      this.#options.log.warn({ err: error }, 'a lane lost its connection')
      if (session !== null && this.#session === session) this.#session = null
    })
    this.#session = session
    return session
  }

  async #tryOnce(session: StoreSession, batches: readonly Batch[]): Promise<StoreOutcome> {
    for (const batch of batches) {
      await this.#ensureMonths(session, batch)
      await this.#sendDeadLetters(batch)
    }
    const moves = movesOf(batches)
    await session.begin()
    try {
      failpoint('before-copy')
      if (moves.some((move) => move.stored > 0)) await session.copy(this.#options.encoder.encode(batches))
      failpoint('after-copy')
      for (const batch of batches)
        if (batch.rejects.length + batch.duplicates.length > 0) await session.insertSkipped(batch)
      if (moves.some((move) => move.owner.lost) || !(await session.movePositions(moves))) {
        await session.rollback()
        return 'fenced'
      }
    } catch (error) {
      // A connection in a failed transaction is no use to the next batch: roll back, or throw it away.
      await session.rollback().catch(() => this.destroy())
      throw error
    }
    failpoint('before-commit')
    for (const { owner, nextOffset } of moves) this.#uncertain.set(owner, nextOffset)
    await session.commit()
    failpoint('after-commit')
    for (const { owner } of moves) this.#uncertain.delete(owner)
    return 'stored'
  }

  /** Before the rows: they may be sent twice after a crash, and are never lost. The reader knows them by origin. */
  async #sendDeadLetters(batch: Batch): Promise<void> {
    while (batch.deadLettered < batch.rejects.length) {
      const some = oneRequest(batch.rejects, batch.deadLettered)
      await this.#options.deadLetters.send(batch.owner.topic, batch.owner.partition, some)
      batch.deadLettered += some.length
      failpoint('after-dead-letters')
    }
  }

  /**
   * After a COMMIT whose answer was lost: the position says whether it took place.
   * @param landed the position if it did: of this batch, or of the last one that was stored together with it
   */
  async #resolve(session: StoreSession, batch: Batch, landed: number): Promise<StoreOutcome | 'retry'> {
    const position = await session.readPosition(batch.owner.topic, batch.owner.partition)
    const isStored = position === landed
    // The next ones of the same COMMIT ask again.
    if (!isStored || batch.nextOffset === landed) this.#uncertain.delete(batch.owner)
    if (isStored) return 'stored'
    return position === batch.fromOffset ? 'retry' : 'fenced'
  }

  /** @returns false when the process is closing and there will be no other try */
  async #retryLater(error: Error & { code?: string }, attempt: number): Promise<boolean> {
    const { log, closing, months } = this.#options
    this.isWaiting = true
    months.clear() // in case it was a month's partition that is missing
    const kind = error.code ?? error.message
    if (isWorthALine(attempt) || kind !== this.#told)
      log.warn({ err: error, attempt }, 'storing failed; will be tried again')
    this.#told = kind
    if (closing.aborted) return false
    await backOff(attempt, closing).catch(() => {})
    return !closing.aborted
  }

  async #leaveOutDuplicates(batch: Batch): Promise<void> {
    const { duplicates, conflicts } = await findDuplicates(await this.#connected(), batch)
    // The other one may have been rolled back meanwhile; as an ordinary failure this waits before it tries again.
    if (duplicates.size + conflicts.size === 0)
      throw new Error('PostgreSQL told of a duplicate that is not there')
    const rejects = new Map(
      [...conflicts].map((row) => [
        row,
        { code: 'CONFLICT' as const, message: 'another content is stored under this id and event time' },
      ]),
    )
    rejudgeWithout(batch, { duplicates, rejects }, this.#options.score)
  }

  async #leaveOutBadRow(batch: Batch, error: Error): Promise<void> {
    const row = await findBadRow(batch, async (probe) => {
      const session = await this.#connected()
      await session.begin()
      try {
        await session.copy(this.#options.encoder.encode([probe]))
        return true
      } catch (cause) {
        // A duplicate is no bad row: it is left out first, then the search begins again.
        if (reactionTo(cause as Error) !== 'bad-row') throw cause
        return false
      } finally {
        await session.rollback()
      }
    })
    if (row === -1) throw new FatalError(`PostgreSQL refuses a batch and none of its rows: ${error.message}`)
    rejudgeWithout(
      batch,
      { rejects: new Map([[row, { code: 'CONSTRAINT', message: error.message }]]) },
      this.#options.score,
    )
  }

  /** Makes missing months of the table, outside the batch's transaction. */
  async #ensureMonths(session: StoreSession, batch: Batch): Promise<void> {
    const { months } = this.#options
    for (const { timestamp } of batch.transactions) {
      const month = monthOf(timestamp)
      if (months.has(month)) continue
      try {
        await session.ensurePartition(timestamp)
      } catch (cause) {
        const error = cause as Error & { code?: string }
        if (error.code !== DETACHED_MONTH) throw error
        this.#leaveOutMonth(batch, month, error.message)
        return this.#ensureMonths(session, batch)
      }
      months.add(month)
    }
  }

  #leaveOutMonth(batch: Batch, month: string, message: string): void {
    const rejects = new Map<number, { code: 'CONSTRAINT'; message: string }>()
    for (const [row, { timestamp }] of batch.transactions.entries())
      if (monthOf(timestamp) === month) rejects.set(row, { code: 'CONSTRAINT', message })
    rejudgeWithout(batch, { rejects }, this.#options.score)
  }
}

/** SQLSTATE of ensure_transactions_partition: somebody has taken the month out of the table. */
const DETACHED_MONTH = 'WR001'

let lastMonth = { from: 0, to: 0, name: '' }

/** "2026-11". Most transactions of a batch are in the same month, so the last answer is kept. */
function monthOf(timestamp: number): string {
  if (timestamp < lastMonth.from || timestamp >= lastMonth.to) {
    const date = new Date(timestamp)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    lastMonth = {
      from: Date.UTC(year, month),
      to: Date.UTC(year, month + 1),
      name: date.toISOString().slice(0, 7),
    }
  }
  return lastMonth.name
}
