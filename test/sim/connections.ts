import type { Batch } from '../../pipeline/batch.ts'
import type { WriteCheckpoint } from '../../pipeline/store/checkpointer.ts'
import type { StateRow } from '../../pipeline/store/rebuild.ts'
import type { WithRecovery } from '../../pipeline/store/recovery.ts'
import type { OpenSession } from '../../pipeline/store/session.ts'
import { parseCopy, type Row } from '../support/copy-parser.ts'
import { type Backend, entryKey } from './database.ts'
import { type Call, connectionError, PgError } from './faults.ts'
import type { Host } from './scheduler.ts'
import type { World } from './world.ts'

/**
 * Connections to the simulated database. A call travels there, takes effect (or waits for a lock, or fails), and its
 * answer travels back; the connection may be lost at any of these. What was sent may still take effect after that.
 */
class Connection {
  readonly backend: Backend
  readonly #world: World
  readonly #host: Host | null
  readonly #onLost: (error: Error) => void
  #lost = false
  #waiting: ((error: Error) => void) | null = null

  constructor(world: World, name: string, onLost: (error: Error) => void = () => {}) {
    this.#world = world
    this.#host = world.scheduler.current
    this.#onLost = onLost
    this.backend = {
      name,
      changes: null,
      alive: true,
      waitsFor: null,
      terminate: () => this.#terminate(),
    }
    world.database.backends.add(this.backend)
    world.connections.add(this)
  }

  call<T>(kind: Call, body: () => T): Promise<T> {
    const { scheduler, database } = this.#world
    const fault = this.#world.nextFault(kind)
    return new Promise<T>((resolve, reject) => {
      if (this.#lost) {
        scheduler.after(0, `${kind}: no connection`, () => reject(connectionError(scheduler.random)))
        return
      }
      this.#waiting = reject
      const answer = (what: string, tell: () => void) => {
        const reply = () => {
          if (this.#lost) return
          this.#waiting = null
          tell()
        }
        scheduler.after(this.#world.latency(), `${kind}: ${what}`, reply, this.#host)
      }
      const fail = (error: PgError) => {
        if (error.code === '40P01') this.#world.count('deadlock')
        if (error.code === '23505') this.#world.count('duplicate')
        if (error.code === '23514' && error.constraint !== undefined) this.#world.count('refused row')
        database.fail(this.backend, kind === 'commit')
        if (error.code === '57P01') this.lose(error, 0)
        else answer(error.code, () => reject(error))
      }
      const finished = (result: T) => {
        if (kind === 'commit' && this.#lost) this.#world.count('late COMMIT of a lost connection')
        if (kind === 'commit' && fault === 'lost-after') this.#world.count('lost answer of a COMMIT')
        if (fault === 'crash-after') this.#world.crash(this.#host)
        else if (fault === 'lost-after') this.lose(connectionError(scheduler.random))
        else answer('answer', () => resolve(result))
      }
      const execute = () => {
        if (!this.backend.alive) return
        if (fault === 'crash-before') return this.#world.crash(this.#host)
        if (fault === 'lost-before') return this.lose(connectionError(scheduler.random))
        if (typeof fault === 'object' && fault !== null)
          return fail(new PgError(kind === 'rollback' ? '57P01' : fault.code, 'injected'))
        let result: T
        database.attempt(
          this.backend,
          () => {
            result = body()
          },
          (error) => {
            if (error === null) finished(result)
            else if (error instanceof PgError) fail(error)
            else this.#world.violate('harness', String(error))
          },
        )
      }
      const shown = typeof fault === 'object' ? (fault?.code ?? '') : fault
      const travels = this.#world.latency()
      scheduler.after(travels, `${this.backend.name} ${kind} ${shown}`, execute, null)
      if (fault === 'lost-under-way')
        this.lose(connectionError(scheduler.random), travels + this.#world.noticeMs())
      if (fault === 'crash-under-way')
        scheduler.after(0, 'dies now', () => this.#world.crash(this.#host), null)
    })
  }

  #terminate(): void {
    this.#world.count('owner terminated')
    if (this.#lost) this.#world.database.end(this.backend)
    else this.lose(new PgError('57P01', 'terminating connection'), 0)
  }

  /** The client sees the end now; the server notices after a while, and rolls back what is open. */
  lose(error: Error, noticedAfterMs = this.#world.noticeMs()): void {
    if (this.#lost) return
    this.#lost = true
    const { scheduler, database } = this.#world
    this.#world.count('connection lost')
    this.#world.connections.delete(this)
    if (noticedAfterMs === 0) database.end(this.backend)
    else
      scheduler.after(noticedAfterMs, `${this.backend.name} is gone`, () => database.end(this.backend), null)
    const tell = () => {
      this.#onLost(error)
      this.#waiting?.(error)
      this.#waiting = null
    }
    scheduler.after(this.#world.latency(), `${this.backend.name} lost`, tell, this.#host)
  }

  belongsTo(host: Host): boolean {
    return this.#host === host
  }

  close(): void {
    if (this.#lost) return
    this.#lost = true
    this.#world.connections.delete(this)
    this.#world.database.end(this.backend)
  }
}

export type { Connection }

/** Connects, which may fail as any call. */
async function connect(world: World, name: string, onLost?: (error: Error) => void): Promise<Connection> {
  await world.outsideCall('open', () => {
    if (world.databaseAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  })
  return new Connection(world, name, onLost)
}

/** @param name the lane's, as application_name */
export const simSessions =
  (world: World, name: string): OpenSession =>
  async (onLost) => {
    const connection = await connect(world, name, onLost)
    const { database } = world
    const { backend } = connection
    return {
      begin: () => connection.call('begin', () => database.begin(backend)),
      copy(chunks) {
        const progress = { row: 0 }
        // What is sent is sent: the buffers are used again, be it after a loss of the connection.
        const rows = parseCopy(Buffer.concat(chunks))
        return connection.call('copy', () => database.copy(backend, rows, progress))
      },
      insertSkipped: (batch) =>
        connection.call('insertSkipped', () => database.insertSkipped(backend, skippedOf(batch))),
      movePosition: (batch) => connection.call('movePosition', () => database.movePosition(backend, batch)),
      commit: () => connection.call('commit', () => database.commit(backend)),
      rollback: () => connection.call('rollback', () => database.rollback(backend)),
      readPosition: (_topic, partition) =>
        connection.call('readPosition', () => database.readPosition(backend, partition)),
      findStored: (transactions) => connection.call('findStored', () => database.findStored(transactions)),
      ensurePartition: (at) => connection.call('ensurePartition', () => database.ensurePartition(at)),
      close: async () => connection.close(),
      destroy: () => connection.lose(new Error('Connection terminated')),
    }
  }

const skippedOf = ({ owner, duplicates, rejects }: Batch): [string, string][] => [
  ...duplicates.map((offset): [string, string] => [entryKey(owner.partition, offset), 'DUPLICATE']),
  ...rejects.map(({ record, code }): [string, string] => [entryKey(owner.partition, record.offset), code]),
]

const ROWS = 7

export const simRecovery =
  (world: World, name: string): WithRecovery =>
  async (use) => {
    const connection = await connect(world, name)
    const { database } = world
    try {
      return await use({
        async claimPosition(_topic, partition, start, lane) {
          await connection.call('claimPosition', () => database.insertPosition(partition, start))
          await connection.call('claimPosition', () => database.terminateOwner(partition, lane))
          return connection.call('claimPosition', () =>
            database.takePosition(connection.backend, partition, lane),
          )
        },
        async findCheckpoint({ partition }) {
          const found = await connection.call('findCheckpoint', () =>
            database.checkpoints
              .filter((c) => c.partition === partition)
              .reduce((a, b) => (b.position >= a.position ? b : a), {
                position: -1,
                accounts: 0,
                pieces: [] as Buffer[],
              }),
          )
          if (found.position === -1) return null
          world.count('restored from a checkpoint')
          const { position, accounts, pieces } = found
          async function* read() {
            for (const piece of pieces)
              yield await connection.call('findCheckpoint', () => Buffer.from(piece))
          }
          return { position, accounts, pieces: read() }
        },
        async *readHistory(partition, from) {
          const rows = await connection.call('readHistory', () => database.history(partition, from))
          for (let at = 0; at < rows.length; at += ROWS)
            yield await connection.call('readHistory', () => rows.slice(at, at + ROWS).map(stateRow))
        },
      })
    } finally {
      connection.close()
    }
  }

const stateRow = (row: Row): StateRow => [
  row.account_id as string,
  row.timestamp as number,
  Number(row.amount),
  row.location as string,
  row.kafka_offset as number,
]

export const simCheckpoints =
  (world: World, name: string): WriteCheckpoint =>
  async ({ partition, position }, snapshot, goOn) => {
    const connection = await connect(world, name)
    try {
      const pieces: Buffer[] = []
      await connection.call('writeCheckpoint', () => {})
      for (const piece of snapshot.pieces()) {
        if (!goOn()) return null
        const copied = Buffer.from(piece)
        await connection.call('writeCheckpoint', () => pieces.push(copied))
      }
      await connection.call('writeCheckpoint', () => {
        world.database.checkpoints.push({ partition, position, accounts: snapshot.accounts, pieces })
      })
      return pieces.reduce((sum, piece) => sum + piece.length, 0)
    } finally {
      connection.close()
    }
  }
