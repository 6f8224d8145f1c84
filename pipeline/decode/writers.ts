import { setTimeout as sleep } from 'node:timers/promises'
import type { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import type { Logger } from '../../schemas/log.ts'
import { type Transaction, transactionType } from '../../schemas/transaction.ts'
import { FRAME_BYTES } from '../../schemas/wire.ts'
import type { RejectCode } from '../errors.ts'
import { hasUnboundedParts, itemCountsFit } from './bounds.ts'
import { readPlain } from './fast-reader.ts'

/** Reads one writer's values; or the reason why none of them can be read. */
export type Writer<T = Transaction> =
  | { read: (value: Buffer) => T }
  | { code: Extract<RejectCode, 'UNKNOWN_SCHEMA' | 'INCOMPATIBLE_SCHEMA'>; message: string }

/** What values are read as. */
export interface Reading<T> {
  /** Our own schema. */
  ours: avro.Type
  /** A quick way for values of our own schema; null where it cannot, or would not, read the value. */
  readPlain: (value: Buffer) => T | null
}

const TRANSACTIONS: Reading<Transaction> = { ours: transactionType, readPlain }

const UNKNOWN_TRIES = 3
const UNKNOWN_PAUSE_MS = 2500
const UNKNOWN_FOR_MS = 60_000
const AWAY_PAUSE_MS = 1000

/**
 * Writers by schema id. A schema never changes under its id, so a resolver is made once and kept. "No such schema" is
 * asked for three times within five seconds (a registry's replica may lag); then the id is unknown for a while, not
 * for ever. A registry that does not answer is waited for: nothing is dropped for a server's fault.
 */
export class Writers<T = Transaction> {
  /** Loads that wait for the registry. */
  readonly #waiting = new Set<symbol>()
  readonly #fetching = new Map<number, Promise<Writer<T> | null>>()
  readonly #known = new Map<number, Writer<T>>()
  readonly #forgetAt = new Map<number, number>()
  readonly #registry: Pick<SchemaRegistry, 'getSchema'>
  readonly #log: Logger
  readonly #closing: AbortSignal
  readonly #reading: Reading<T>

  /** @param reading what the values are to be read as; transactions by default */
  constructor(
    registry: Pick<SchemaRegistry, 'getSchema'>,
    log: Logger,
    closing: AbortSignal,
    reading: Reading<T> = TRANSACTIONS as Reading<T>,
  ) {
    this.#registry = registry
    this.#log = log
    this.#closing = closing
    this.#reading = reading
  }

  /** True while the registry is waited for. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0
  }

  get(id: number): Writer<T> | undefined {
    return this.#known.get(id)
  }

  /** False for an id that is to be asked for: never seen, or unknown to the registry for too long. */
  knows(id: number): boolean {
    return this.#known.has(id) && !this.#isExpired(id)
  }

  /**
   * Makes the ids known. Waits while the registry is away. All unknown ones share the pauses: garbage may have many.
   * Several loads may run at once.
   */
  async load(ids: Iterable<number>): Promise<void> {
    const load = Symbol()
    try {
      this.#forgetExpired()
      let missing = [...ids].filter((id) => !this.#known.has(id))
      for (let tries = 1; missing.length > 0; tries++) {
        const unknown: number[] = []
        for (const id of missing) {
          if (!this.#known.has(id) && !(await this.#fetchOnce(id, load))) unknown.push(id)
        }
        missing = tries < UNKNOWN_TRIES ? unknown : []
        if (missing.length > 0) await this.#pause(UNKNOWN_PAUSE_MS, load)
        else for (const id of unknown) this.#setUnknown(id)
      }
    } finally {
      this.#waiting.delete(load)
    }
  }

  /** @returns false if the registry says that there is no such schema */
  async #fetchOnce(id: number, load: symbol): Promise<boolean> {
    let fetching = this.#fetching.get(id)
    if (fetching === undefined) {
      fetching = this.#fetch(id, load).finally(() => this.#fetching.delete(id))
      this.#fetching.set(id, fetching)
    }
    const writer = await fetching
    if (writer === null) return false
    this.#known.set(id, writer)
    this.#forgetAt.delete(id)
    return true
  }

  /** @returns null if the registry says that there is no such schema */
  async #fetch(id: number, load: symbol): Promise<Writer<T> | null> {
    for (;;) {
      try {
        return createWriter((await this.#registry.getSchema(id)) as unknown as avro.Type, this.#reading)
      } catch (cause) {
        const error = cause as Error & { status?: number }
        if (error.status === 404) return null
        // The registry's client itself refuses the schema (no status came): another answer will not come.
        if (error.status === undefined && error.name.startsWith('ConfluentSchemaRegistry')) {
          return { code: 'INCOMPATIBLE_SCHEMA', message: error.message }
        }
        this.#log.warn({ err: error, schema_id: id }, 'the schema registry gives no answer')
        await this.#pause(AWAY_PAUSE_MS, load)
      }
    }
  }

  #setUnknown(id: number): void {
    if (this.#known.has(id)) return // another load has found it meanwhile
    this.#known.set(id, { code: 'UNKNOWN_SCHEMA', message: `the registry has no schema ${id}` })
    this.#forgetAt.set(id, Date.now() + UNKNOWN_FOR_MS)
  }

  #isExpired(id: number): boolean {
    return Date.now() > (this.#forgetAt.get(id) ?? Number.POSITIVE_INFINITY)
  }

  #forgetExpired(): void {
    for (const id of this.#forgetAt.keys()) {
      if (!this.#isExpired(id)) continue
      this.#known.delete(id)
      this.#forgetAt.delete(id)
    }
  }

  #pause(ms: number, load: symbol): Promise<void> {
    this.#waiting.add(load)
    return sleep(ms, undefined, { signal: this.#closing })
  }
}

/** @param type the writer's schema, read with our logical types */
function createWriter<T>(type: avro.Type, { ours, readPlain }: Reading<T>): Writer<T> {
  if (!(type instanceof avro.Type))
    return { code: 'INCOMPATIBLE_SCHEMA', message: 'it is not an Avro schema' }
  let resolver: avro.Resolver | undefined
  try {
    // The resolver fills in defaults and skips what we do not know; it also proves that the writer's decimals are ours,
    // which the canonical form does not tell. Where the bytes are laid out as ours, none is needed to read them.
    resolver = ours.createResolver(type)
    if (type.equals(ours)) resolver = undefined
  } catch (cause) {
    return { code: 'INCOMPATIBLE_SCHEMA', message: (cause as Error).message }
  }
  const mustCount = hasUnboundedParts(type)
  const isOurs = resolver === undefined
  return {
    read(value) {
      const plain = isOurs ? readPlain(value) : null
      if (plain !== null) return plain
      if (mustCount && !itemCountsFit(type, value, FRAME_BYTES))
        throw new Error('an array or map claims more items than bytes')
      const { value: read, offset } = ours.decode(value, FRAME_BYTES, resolver)
      // avsc gives offset -1 for truncated bytes instead of throwing; too many bytes are as wrong.
      if (offset !== value.length)
        throw new Error(offset < 0 ? 'truncated' : `${value.length - offset} bytes too many`)
      return read as T
    },
  }
}
