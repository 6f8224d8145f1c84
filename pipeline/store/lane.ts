import { safeMessage } from '../../schemas/error-fields.ts'
import type { Logger } from '../../schemas/log.ts'
import type { Batch, Ownership } from '../batch.ts'
import { FatalError, type Reject } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import type { Metrics } from '../metrics.ts'
import type { CopyEncoder } from './copy-encoder.ts'
import { type DeadLetters, oneRequest } from './dead-letters.ts'
import { findBadRow, findDuplicates } from './late-rejects.ts'
import { type Move, movesOf } from './moves.ts'
import { backOff, isWorthALine, type Reaction, reactionTo } from './reactions.ts'
import { rejudgeWithout } from './rejudge.ts'
import type { OpenSession, StoreSession } from './session.ts'
import { FENCED } from './sql.ts'

/** What became of a batch: `fenced` = the partition is not ours any more; `dropped` = closing while it could not be stored. */
export type StoreOutcome = 'stored' | 'fenced' | 'dropped'

export interface LaneOptions {
  openSession: OpenSession
  encoder: CopyEncoder
  deadLetters: DeadLetters
  score: (batch: Batch) => Batch
  /** Months whose partition is known to be there; shared by all lanes. */
  months: Set<string>
  metrics?: Pick<Metrics, 'copySeconds' | 'copyBytes' | 'storeFailures'>
  log: Logger
  closing: AbortSignal
}

/** A connection that stores batches, for as long as it takes. */
export class Lane {
  #session: StoreSession | null = null
  /**
   * The positions that a transaction would leave, from before it is sent until its outcome is known: of what is here at the
   * next try nobody knows whether its COMMIT took place.
   */
  readonly #uncertain = new Map<Ownership, number>()
  /** True while a server is waited for. */
  isWaiting = false
  /** True when another transaction kept something for too long: that of a stopped process, most likely. */
  #isBlocked = false
  #isDestroyed = false
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
    const ours = batches.filter((batch) => !this.#settleLost(batch, settle))
    if (ours.length > 1 && (await this.#storeTogether(ours))) {
      for (const batch of ours) settle(batch, 'stored')
      return
    }
    for (const batch of ours) {
      const outcome = await this.#storeWhen(batch)
      this.isWaiting = false
      settle(batch, outcome)
    }
  }

  /** @returns true for a batch of a partition that is not ours any more */
  #settleLost(batch: Batch, settle: (batch: Batch, outcome: StoreOutcome) => void): boolean {
    if (!batch.owner.lost) return false
    this.#uncertain.delete(batch.owner)
    settle(batch, 'fenced')
    return true
  }

  /** One try, and another one without duplicates. @returns false when it failed, or may have */
  async #storeTogether(batches: readonly Batch[]): Promise<boolean> {
    const session = this.#session
    if (session === null || this.#uncertain.size > 0) return false
    const tryTogether = async () => (await this.#tryOnce(session, batches)) === 'stored'
    try {
      return await tryTogether().catch(async (error) => {
        if (this.#noteReaction(error) !== 'duplicate') throw error
        this.#countFailure('duplicate')
        await this.#leaveOutDuplicates(batches)
        return tryTogether()
      })
    } catch (error) {
      if (error instanceof FatalError) throw error
      this.#countFailure(this.#noteReaction(error as Error))
      this.#options.log.debug({ err: error, batches: batches.length }, 'not stored together: now one by one')
      return false
    }
  }

  async #storeWhen(batch: Batch): Promise<StoreOutcome> {
    let prepare: (() => Promise<void>) | null = null
    for (let attempt = 1; ; attempt++) {
      if (this.#isDestroyed) return 'dropped'
      if (batch.owner.lost) {
        this.#uncertain.delete(batch.owner)
        return 'fenced'
      }
      try {
        const session = await this.#connected()
        if (this.#isBlocked) await session.endStopped()
        this.#isBlocked = false
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
        const reaction = this.#noteReaction(error)
        this.#countFailure(reaction)
        if (error instanceof FatalError) throw error
        if (reaction === 'exit')
          throw new FatalError(`PostgreSQL refuses to store: ${error.message}`, { cause })
        if (reaction === 'duplicate') prepare = () => this.#leaveOutDuplicates([batch])
        else if (reaction === 'bad-row') prepare = () => this.#leaveOutBadRow(batch, error)
        else if (!(await this.#retryLater(error, attempt))) return 'dropped'
      }
    }
  }

  #noteReaction(error: Error): Reaction {
    const reaction = reactionTo(error)
    this.#isBlocked = reaction === 'blocked'
    return reaction
  }

  #countFailure(reaction: Reaction): void {
    this.#options.metrics?.storeFailures.inc({ reaction })
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = null
    await session?.close().catch(() => {})
  }

  /** Cuts the connection in the middle of whatever it does; what is not stored is dropped. */
  destroy(): void {
    this.#isDestroyed = true
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
    if (moves.some((move) => move.owner.lost)) return 'fenced'
    const rows = moves.some((move) => move.stored > 0) ? this.#options.encoder.encode(batches) : []
    failpoint('before-copy')
    for (const { owner, nextOffset } of moves) this.#uncertain.set(owner, nextOffset)
    const end = this.#options.metrics?.copySeconds.startTimer()
    try {
      await session.store(rows, batches, moves)
      end?.()
      this.#options.metrics?.copyBytes.inc(rows.reduce((sum, { length }) => sum + length, 0))
    } catch (cause) {
      const error = cause as Error & { code?: string }
      if (error.code !== FENCED && !ROLLED_BACK.includes(reactionTo(error))) throw error
      this.#forget(moves)
      if (error.code === FENCED) return 'fenced'
      throw error
    }
    failpoint('after-commit')
    this.#forget(moves)
    return 'stored'
  }

  /** Whether these took place is certain. */
  #forget(moves: readonly Move[]): void {
    for (const { owner } of moves) this.#uncertain.delete(owner)
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

  /** Also those of the batches behind: a topic that is read again has nothing else, and each time what follows is judged anew. */
  async #leaveOutDuplicates(batches: readonly Batch[]): Promise<void> {
    const { score } = this.#options
    let found = 0
    for (const owner of new Set(batches.map((batch) => batch.owner))) {
      const leftOut = await findDuplicates(await this.#connected(), owner.judged)
      found += leftOut.size
      rejudgeWithout(owner, leftOut, score)
    }
    // The other one may have been rolled back meanwhile; as an ordinary failure this waits before it tries again.
    if (found === 0) throw new Error('PostgreSQL told of a duplicate that is not there')
  }

  async #leaveOutBadRow(batch: Batch, error: Error): Promise<void> {
    const row = await findBadRow(batch, async (probe) => {
      const session = await this.#connected()
      try {
        await session.probe(this.#options.encoder.encode([probe]))
        return true
      } catch (cause) {
        // A duplicate is no bad row: it is left out first, then the search begins again.
        if (reactionTo(cause as Error) !== 'bad-row') throw cause
        return false
      }
    })
    const message = safeMessage(error)
    if (row === -1) throw new FatalError(`PostgreSQL refuses a batch and none of its rows: ${message}`)
    this.#rejectRows(batch, [row], { code: 'CONSTRAINT', message })
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
    const rows = [...batch.transactions.keys()].filter(
      (row) => monthOf(batch.transactions[row].timestamp) === month,
    )
    this.#rejectRows(batch, rows, { code: 'CONSTRAINT', message })
  }

  #rejectRows(batch: Batch, rows: number[], reject: Omit<Reject, 'record'>): void {
    const leftOut = { duplicates: new Set<number>(), rejects: new Map(rows.map((row) => [row, reject])) }
    rejudgeWithout(batch.owner, new Map([[batch, leftOut]]), this.#options.score)
  }
}

/** After these PostgreSQL has certainly not committed: it told of them before it came to that. */
const ROLLED_BACK: Reaction[] = ['duplicate', 'bad-row', 'blocked']

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
