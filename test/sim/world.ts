import type { Batch } from '../../pipeline/batch.ts'
import type { Reject } from '../../pipeline/errors.ts'
import type { DeadLetters } from '../../pipeline/store/dead-letters.ts'
import { transactionType } from '../../schemas/transaction.ts'
import type { Row } from '../support/copy-parser.ts'
import { notFound } from '../support/writers.ts'
import type { Connection } from './connections.ts'
import { entryKey, type Move, SimDatabase } from './database.ts'
import { type Call, connectionError, type NextFault, PgError } from './faults.ts'
import { SimKafka } from './kafka.ts'
import type { Plan } from './plan.ts'
import type { SimProcess } from './process.ts'
import { type Entry, SCHEMA_ID } from './records.ts'
import type { Host, Scheduler } from './scheduler.ts'

/** Something that must never be. The name is the invariant's. */
export class Violation extends Error {
  readonly invariant: string
  constructor(invariant: string, message: string) {
    super(message)
    this.invariant = invariant
  }
}

/** What is counted, so that a run that meets nothing is not taken for a good one. */
export const MET = [
  'crash',
  'freeze',
  'SIGTERM',
  'outage',
  'rebalance',
  'jump of the offset',
  'connection lost',
  'lost answer of a COMMIT',
  'late COMMIT of a lost connection',
  'fenced',
  'several partitions in one COMMIT',
  'deadlock',
  'duplicate',
  'refused row',
  'owner terminated',
  'other lane terminated',
  'restored from a checkpoint',
] as const
export type Met = (typeof MET)[number]

/** The servers, the network between them and the processes, and what watches all of it. */
export class World {
  readonly scheduler: Scheduler
  readonly plan: Plan
  readonly database: SimDatabase
  readonly kafka: SimKafka
  /** Codes of the dead letters of each record, by {@link entryKey}. */
  readonly deadLetters = new Map<string, string[]>()
  readonly connections = new Set<Connection>()
  readonly processes = new Set<SimProcess>()
  readonly met = new Map<Met, number>()
  readonly #lastMoves = new Map<number, Move>()
  nextFault: NextFault
  /** False once everything is healed. */
  isTroubled = true
  databaseAway = false
  registryAway = false
  /** The first one counts. */
  violation: Violation | null = null
  /** Called when a process has died. */
  onCrash: (host: Host) => void = () => {}

  constructor(scheduler: Scheduler, plan: Plan, topic: Entry[][], nextFault: NextFault) {
    this.scheduler = scheduler
    this.plan = plan
    this.nextFault = nextFault
    this.kafka = new SimKafka(this, topic)
    this.database = new SimDatabase(scheduler, (moved, rows) => this.#watchCommit(moved, rows))
  }

  violate(invariant: string, message: string): void {
    this.scheduler.note(`VIOLATION ${invariant}: ${message}`)
    this.violation ??= new Violation(invariant, message)
  }

  /** How long something travels, in milliseconds: mostly little, sometimes long. */
  latency(): number {
    const { random } = this.scheduler
    return random.exponential(
      random.chance(this.plan.slowShare) ? 10 * this.plan.latencyMs : this.plan.latencyMs,
    )
  }

  /** How long a server does not know that its client is gone. */
  noticeMs(): number {
    const { random } = this.scheduler
    return random.exponential(random.chance(0.2) ? 5000 : 20)
  }

  /** Waits, in the present process. */
  pause(what: string, extraMs = 0): Promise<void> {
    return new Promise((resolve) => {
      this.scheduler.after(this.latency() + extraMs, what, resolve)
    })
  }

  /** A call to something that has no connection of its own, from the present process. */
  outsideCall<T>(kind: Call, body: () => T): Promise<T> {
    const { scheduler } = this
    const host = scheduler.current
    const fault = this.nextFault(kind)
    return new Promise((resolve, reject) => {
      const answer = (what: string, tell: () => void) =>
        scheduler.after(this.latency(), `${kind}: ${what}`, tell, host)
      const fail = (error: Error) => answer('fails', () => reject(error))
      const execute = () => {
        if (fault === 'crash-before' || fault === 'crash-under-way') return this.crash(host)
        if (fault === 'lost-before' || fault === 'lost-under-way')
          return fail(connectionError(scheduler.random))
        if (typeof fault === 'object' && fault !== null) {
          // Only a database has such codes.
          return fail(kind === 'open' ? new PgError(fault.code, 'injected') : new Error('injected'))
        }
        let result: T
        try {
          result = body()
        } catch (error) {
          return fail(error as Error)
        }
        if (fault === 'crash-after') this.crash(host)
        else if (fault === 'lost-after') fail(connectionError(scheduler.random))
        else answer('answer', () => resolve(result))
      }
      scheduler.after(this.latency(), kind, execute, null)
    })
  }

  /** What was sent is still under way; the servers notice after a while. */
  crash(host: Host | null): void {
    if (host === null || host.dead) return
    this.scheduler.note(`${host.name} dies`)
    this.count('crash')
    host.dead = true
    for (const connection of [...this.connections])
      if (connection.belongsTo(host)) connection.lose(new Error('dead'))
    for (const process of this.processes) if (process.host === host) this.processes.delete(process)
    this.onCrash(host)
  }

  readonly dead: DeadLetters = {
    send: async (_topic, partition, rejects) => {
      for (const reject of rejects) await this.outsideCall('deadLetters', () => this.#keep(partition, reject))
    },
  }

  #keep(partition: number, { record, code }: Reject): void {
    const key = entryKey(partition, record.offset)
    this.deadLetters.set(key, [...(this.deadLetters.get(key) ?? []), code])
  }

  readonly registry = {
    getSchema: (id: number) =>
      this.outsideCall('getSchema', () => {
        if (this.registryAway) throw new Error('the registry is away')
        if (id !== SCHEMA_ID) throw notFound(id)
        return transactionType as never
      }),
  }

  /** Who is fenced although the position is where he has moved it himself has not known his own COMMIT. */
  watchFence({ owner, fromOffset, nextOffset }: Batch): void {
    this.count('fenced')
    const last = this.#lastMoves.get(owner.partition)
    if (last?.by === owner && last.from === fromOffset && last.next === nextOffset)
      this.violate(
        'own commit',
        `${owner.partition}: ${fromOffset} to ${nextOffset} was stored by whom is fenced`,
      )
  }

  /** Something that a run must have met to be worth something. */
  count(what: Met): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1)
  }

  /** At the very moment of a COMMIT: the position never goes back, and never passes what is not safe. */
  #watchCommit(moved: Move[], rows: Row[]): void {
    const { database } = this
    if (rows.length > 0 && moved.length === 0) this.violate('position', 'rows are committed without it')
    if (moved.length > 1) this.count('several partitions in one COMMIT')
    for (const { partition, from, next, by } of moved) {
      const stored = database.positions.get(partition)!.next
      if (stored !== from || next <= from)
        this.violate('position', `${partition}: ${from} to ${next} while ${stored} is stored`)
      this.#lastMoves.set(partition, { partition, from, next, by })
      this.scheduler.note(`position ${partition}: ${from} to ${next}, ${rows.length} rows`)
    }
    const covers = (row: Row) =>
      moved.some(
        ({ partition, from, next }) =>
          row.kafka_partition === partition &&
          (row.kafka_offset as number) >= from &&
          (row.kafka_offset as number) < next,
      )
    for (const row of rows)
      if (!covers(row))
        this.violate('position', `a row of ${row.kafka_partition}/${row.kafka_offset} beside it`)
    const added = new Set(
      rows.map((row) => entryKey(row.kafka_partition as number, row.kafka_offset as number)),
    )
    // The skipped ones of this transaction are looked at once they are in the table: at the end of the event.
    this.scheduler.after(0, 'look at what was passed', () => this.#watchPassed(moved, added), null)
  }

  #watchPassed(moved: Move[], added: Set<string>): void {
    for (const { partition, from, next } of moved) {
      for (const { offset, isControl } of this.kafka.topic[partition].slice(from, next)) {
        const key = entryKey(partition, offset)
        const code = this.database.skipped.get(key)
        if (isControl || added.has(key) || code === 'DUPLICATE') continue
        if (code === undefined) this.violate('passed', `${key} is neither stored nor skipped`)
        else if (!this.deadLetters.get(key)?.includes(code))
          this.violate('passed', `${key} was skipped as ${code} without a dead letter`)
      }
    }
  }
}
