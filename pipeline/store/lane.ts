import { once } from 'node:events'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { type ConnectionOptions, createClient } from '../../schemas/database.ts'
import type { Logger } from '../../schemas/log.ts'
import type { Batch } from '../batch.ts'
import { FatalError } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import type { CopyEncoder } from './copy-encoder.ts'
import type { DeadLetters } from './dead-letters.ts'
import { findBadRow, findDuplicates } from './late-rejects.ts'
import { backOff, reactionTo } from './reactions.ts'
import { rejudgeWithout } from './rejudge.ts'
import {
  COPY_TRANSACTIONS,
  ensurePartition,
  insertSkipped,
  movePosition,
  readPositionFinally,
} from './sql.ts'

/** What became of a batch: `fenced` = the partition is not ours any more; `dropped` = closing while it could not be stored. */
export type StoreOutcome = 'stored' | 'fenced' | 'dropped'

export interface LaneOptions {
  connection: ConnectionOptions
  encoder: CopyEncoder
  deadLetters: DeadLetters
  score: (batch: Batch) => Batch
  /** Months whose partition is known to be there; shared by all lanes. */
  months: Set<string>
  log: Logger
  closing: AbortSignal
}

/** A connection that stores one batch at a time, for as long as it takes. */
export class Lane {
  #client: pg.Client | null = null
  /** True after an error that leaves open whether the last COMMIT took place. */
  #uncertain = false
  /** True while a server is waited for. */
  isWaiting = false
  readonly #options: LaneOptions

  constructor(options: LaneOptions) {
    this.#options = options
  }

  /**
   * Stores the batch and moves its position in one transaction; retries what passes by itself.
   * @throws FatalError for what does not
   */
  async store(batch: Batch): Promise<StoreOutcome> {
    let prepare: (() => Promise<void>) | null = null
    for (let attempt = 1; ; attempt++) {
      if (batch.owner.lost) return 'fenced'
      try {
        const client = await this.#connected()
        if (this.#uncertain) {
          const outcome = await this.#resolve(client, batch)
          if (outcome !== 'retry') return outcome
        }
        const preparation: (() => Promise<void>) | null = prepare
        prepare = null // if it fails, the next try tells again what is wrong
        await preparation?.()
        return await this.#tryOnce(client, batch)
      } catch (cause) {
        const error = cause as Error & { code?: string }
        const reaction = reactionTo(error)
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
    const client = this.#client
    this.#client = null
    await client?.end().catch(() => {})
  }

  /** Cuts the connection in the middle of whatever it does. */
  destroy(): void {
    ;(
      this.#client as unknown as { connection: { stream: { destroy(): void } } } | null
    )?.connection.stream.destroy()
    this.#client = null
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client
    const client = createClient(this.#options.connection)
    client.on('error', (error) => {
      this.#options.log.warn({ err: error }, 'a lane lost its connection')
      if (this.#client === client) this.#client = null
    })
    await client.connect()
    this.#client = client
    return client
  }

  async #tryOnce(client: pg.Client, batch: Batch): Promise<StoreOutcome> {
    const { deadLetters, encoder } = this.#options
    await this.#ensureMonths(client, batch)
    // Dead letters first: they may be sent twice after a crash, and are never lost. The reader knows them by origin.
    if (batch.rejects.length > batch.deadLettered) {
      await deadLetters.send(
        batch.owner.topic,
        batch.owner.partition,
        batch.rejects.slice(batch.deadLettered),
      )
      batch.deadLettered = batch.rejects.length
      failpoint('after-dead-letters')
    }
    await client.query('BEGIN')
    try {
      failpoint('before-copy')
      if (batch.transactions.length > 0) await copy(client, encoder.encode(batch))
      failpoint('after-copy')
      if (batch.rejects.length + batch.duplicates.length > 0) await insertSkipped(client, batch)
      if (batch.owner.lost || !(await movePosition(client, batch))) {
        await client.query('ROLLBACK')
        return 'fenced'
      }
    } catch (error) {
      // A connection in a failed transaction is no use to the next batch: roll back, or throw it away.
      await client.query('ROLLBACK').catch(() => this.destroy())
      throw error
    }
    failpoint('before-commit')
    this.#uncertain = true
    await client.query('COMMIT')
    failpoint('after-commit')
    this.#uncertain = false
    this.isWaiting = false
    return 'stored'
  }

  /** After a COMMIT whose answer was lost: the position says whether it took place. */
  async #resolve(client: pg.Client, batch: Batch): Promise<StoreOutcome | 'retry'> {
    const position = await readPositionFinally(client, batch.owner.topic, batch.owner.partition)
    this.#uncertain = false
    if (position === batch.nextOffset) return 'stored'
    return position === batch.fromOffset ? 'retry' : 'fenced'
  }

  /** @returns false when the process is closing and there will be no other try */
  async #retryLater(error: Error, attempt: number): Promise<boolean> {
    const { log, closing, months } = this.#options
    this.isWaiting = true
    months.clear() // in case it was a month's partition that is missing
    // A failure that goes on for hours is worth a few lines, not one a try.
    if ((attempt & (attempt - 1)) === 0)
      log.warn({ err: error, attempt }, 'storing failed; will be tried again')
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
      const client = await this.#connected()
      await client.query('BEGIN')
      try {
        await copy(client, this.#options.encoder.encode(probe))
        return true
      } catch (cause) {
        // A duplicate is no bad row: it is left out first, then the search begins again.
        if (reactionTo(cause as Error) !== 'bad-row') throw cause
        return false
      } finally {
        await client.query('ROLLBACK')
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
  async #ensureMonths(client: pg.Client, batch: Batch): Promise<void> {
    const { months } = this.#options
    for (const { timestamp } of batch.transactions) {
      const month = monthOf(timestamp)
      if (months.has(month)) continue
      await ensurePartition(client, timestamp)
      months.add(month)
    }
  }
}

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

/** @throws the server's error, or the connection's */
async function copy(client: pg.Client, chunks: Buffer[]): Promise<void> {
  const stream = client.query(copyFrom(COPY_TRANSACTIONS))
  // `finish` comes when the server has taken all; an error comes as an event and rejects both waits.
  const finished = once(stream, 'finish')
  finished.catch(() => {}) // an error before the end is thrown by the wait for `drain`
  // One chunk at a time: after the server's error the stream has let go of the connection, and a flush of what it
  // still holds would end the process.
  for (const chunk of chunks) {
    if (!stream.write(chunk)) await once(stream, 'drain')
    failpoint('in-copy')
  }
  stream.end()
  await finished
}
