import { type Call, connectionError, PgError } from './faults.ts'
import type { Backend, Termination } from './locks.ts'
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
  /** Some connections are slow while there is trouble: what others do meanwhile overtakes them. */
  readonly #slowness: number
  #lost = false
  #waiting: ((error: Error) => void) | null = null

  constructor(world: World, name: string, onLost: (error: Error) => void = () => {}) {
    this.#world = world
    this.#host = world.scheduler.current
    this.#onLost = onLost
    this.#slowness = world.scheduler.random.chance(world.plan.slowShare) ? 15 : 1
    this.backend = {
      name,
      changes: null,
      alive: true,
      waitsFor: null,
      terminate: (why) => this.#terminate(why),
    }
    world.database.backends.add(this.backend)
    world.connections.add(this)
  }

  #travels(): number {
    return (this.#world.isTroubled ? this.#slowness : 1) * this.#world.latency()
  }

  call<T>(kind: Call, body: () => T): Promise<T> {
    return this.message([[kind, body]])
  }

  /** Several calls in one message: the server does one after another, whatever becomes of the client, up to an error. */
  message<T>(calls: [kind: Call, body: () => T][]): Promise<T> {
    const { scheduler, database } = this.#world
    return new Promise<T>((resolve, reject) => {
      if (this.#lost) {
        const tell = () => reject(connectionError(scheduler.random))
        scheduler.after(0, `${calls[0][0]}: no connection`, tell)
        return
      }
      this.#waiting = reject
      const answer = (what: string, tell: () => void) => {
        const reply = () => {
          if (this.#lost) return
          this.#waiting = null
          tell()
        }
        scheduler.after(this.#travels(), what, reply, this.#host)
      }
      const fail = (kind: Call, error: PgError) => {
        if (error.code === '40P01') this.#world.count('deadlock')
        if (error.code === '23505') this.#world.count('duplicate')
        if (error.code === '23514' && error.constraint !== undefined) this.#world.count('refused row')
        database.rollback(this.backend)
        if (error.code === '57P01') this.lose(error, 0)
        else answer(`${kind}: ${error.code}`, () => reject(error))
      }
      const doCall = (i: number): void => {
        const [kind, body] = calls[i]
        const fault = this.#world.nextFault(kind)
        const finished = (result: T) => {
          if (kind === 'commit' && this.#lost) this.#world.count('late COMMIT of a lost connection')
          if (kind === 'commit' && fault === 'lost-after') this.#world.count('lost answer of a COMMIT')
          if (fault === 'crash-after') this.#world.crash(this.#host)
          else if (fault === 'lost-after') this.lose(connectionError(scheduler.random))
          if (i + 1 < calls.length) doCall(i + 1)
          else answer(`${kind}: answer`, () => resolve(result))
        }
        const execute = () => {
          if (!this.backend.alive) return
          if (fault === 'crash-before') this.#world.crash(this.#host)
          else if (fault === 'lost-before') this.lose(connectionError(scheduler.random))
          if (i === 0 && (fault === 'crash-before' || fault === 'lost-before')) return // it was not sent
          if (typeof fault === 'object' && fault !== null)
            return fail(kind, new PgError(kind === 'rollback' ? '57P01' : fault.code, 'injected'))
          let result: T
          database.attempt(
            this.backend,
            () => {
              result = body()
            },
            (error) => {
              if (error === null) finished(result)
              else if (error instanceof PgError) fail(kind, error)
              else this.#world.violate('harness', String(error))
            },
          )
        }
        const shown = typeof fault === 'object' ? (fault?.code ?? '') : fault
        const travels = this.#travels()
        scheduler.after(travels, `${this.backend.name} ${kind} ${shown}`, execute, null)
        if (fault === 'lost-under-way')
          this.lose(connectionError(scheduler.random), travels + this.#world.noticeMs())
        if (fault === 'crash-under-way')
          scheduler.after(0, 'dies now', () => this.#world.crash(this.#host), null)
      }
      doCall(0)
    })
  }

  #terminate(why: Termination): void {
    this.#world.count(why)
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
export async function connect(
  world: World,
  name: string,
  onLost?: (error: Error) => void,
): Promise<Connection> {
  await world.outsideCall('open', () => {
    if (world.databaseAway) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  })
  return new Connection(world, name, onLost)
}
