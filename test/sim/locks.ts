import type { Changes } from './database.ts'
import { PgError } from './faults.ts'
import type { Scheduler } from './scheduler.ts'

export type Termination = 'owner terminated' | 'other lane terminated'

/** The server's side of a connection. */
export interface Backend {
  readonly name: string
  /** null outside of a transaction. */
  changes: Changes | null
  /** False once the server has ended it. */
  alive: boolean
  /** Whom its present call waits for. */
  waitsFor: Backend | null
  /** Ends it, and tells its client. */
  terminate: (why: Termination) => void
}

/** Shorter than the real one, as processes are stopped for a shorter time here. */
const LOCK_TIMEOUT_MS = 100

/** Thrown when a call must wait until another backend's transaction has ended. */
class Blocked extends Error {
  readonly by: Backend
  constructor(by: Backend) {
    super('blocked')
    this.by = by
  }
}

/** Locks that are held until the transaction ends; who waits for one goes on when it is free. */
export class Locks {
  readonly #holders = new Map<string, Backend>()
  readonly #waiters = new Map<Backend, Set<() => void>>()
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /**
   * Runs a call of a backend as often as it has to wait.
   * @param done gets its error, a deadlock that it would close among them, or null
   */
  attempt(backend: Backend, body: () => void, done: (error: unknown) => void): void {
    if (!backend.alive) return
    backend.waitsFor = null
    try {
      body()
    } catch (error) {
      if (!(error instanceof Blocked)) {
        done(error)
        return
      }
      for (let other: Backend | null = error.by; other !== null; other = other.waitsFor) {
        if (other !== backend) continue
        this.#scheduler.note(`${backend.name} would close a deadlock`)
        done(new PgError('40P01', 'deadlock detected'))
        return
      }
      backend.waitsFor = error.by
      this.#scheduler.note(`${backend.name} waits for ${error.by.name}`)
      const waiters = this.#waiters.get(error.by) ?? new Set()
      this.#waiters.set(error.by, waiters)
      const again = () => this.attempt(backend, body, done)
      waiters.add(again)
      const giveUp = () => {
        if (!waiters.delete(again) || !backend.alive) return
        backend.waitsFor = null
        done(new PgError('55P03', 'canceling statement due to lock timeout'))
      }
      this.#scheduler.after(LOCK_TIMEOUT_MS, `${backend.name} has waited for long`, giveUp, null)
      return
    }
    done(null)
  }

  /** @throws Blocked while another backend has it */
  take(backend: Backend, key: string): void {
    this.wait(backend, key)
    this.#holders.set(key, backend)
  }

  /** As {@link take}, but does not keep it. */
  wait(backend: Backend, key: string): void {
    const holder = this.#holders.get(key)
    if (holder !== undefined && holder !== backend) throw new Blocked(holder)
  }

  release(backend: Backend): void {
    for (const [key, holder] of this.#holders) if (holder === backend) this.#holders.delete(key)
    const waiters = this.#waiters.get(backend) ?? new Set()
    this.#waiters.delete(backend)
    for (const again of waiters) this.#scheduler.after(0, 'lock free', again, null)
    waiters.clear() // nobody gives up any more
  }
}
