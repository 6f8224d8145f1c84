import { createHash, type Hash } from 'node:crypto'
import type { Random } from '../../pipeline/produce/random.ts'

/** A simulated process: what happens in it stops for good when it is dead, and waits while it is frozen. */
export class Host {
  readonly name: string
  dead = false
  /** What could not happen while it was frozen; null when it is not. */
  held: Task[] | null = null

  constructor(name: string) {
    this.name = name
  }
}

interface Task {
  due: number
  serial: number
  what: string
  host: Host | null
  run: () => void
}

const TAIL = 80
/** The real one: virtual time puts itself in the place of the global. */
const realTurn = setImmediate

/**
 * Discrete events in virtual time. One at a time happens, and everything that follows from it at once (promises, ticks)
 * is over before the next: so the order of all things is the seed's alone.
 */
export class Scheduler {
  /** Milliseconds since 1970. */
  now: number
  /** The process in which the present event happens; null for servers and the network. */
  current: Host | null = null
  steps = 0
  /** What was begun outside of any event, through something real (a socket, a timer): then no seed repeats it. */
  stray: string | null = null
  #between = false
  readonly random: Random
  readonly #queue: Task[] = []
  readonly #start: number
  readonly #tail: string[] = []
  readonly #hash: Hash = createHash('sha256')
  readonly #echo: ((line: string) => void) | undefined
  #serial = 0

  constructor(start: number, random: Random, echo?: (line: string) => void) {
    this.now = start
    this.#start = start
    this.random = random
    this.#echo = echo
  }

  /** Lets something happen after a while, in the present process unless told otherwise. */
  after(ms: number, what: string, run: () => void, host: Host | null = this.current): Task {
    if (this.#between) this.stray ??= what
    const task = { due: this.now + ms, serial: this.#serial++, what, host, run }
    insert(this.#queue, task)
    return task
  }

  cancel(task: Task): void {
    task.run = () => {}
    task.what = ''
  }

  freeze(host: Host): void {
    host.held ??= []
  }

  thaw(host: Host): void {
    const held = host.held ?? []
    host.held = null
    for (const task of held) insert(this.#queue, { ...task, due: this.now, serial: this.#serial++ })
  }

  /** A line of the trace. */
  note(line: string): void {
    const text = `${((this.now - this.#start) / 1000).toFixed(4).padStart(9)} ${(this.current?.name ?? '-').padEnd(4)} ${line}`
    this.#hash.update(text)
    this.#tail.push(text)
    if (this.#tail.length > TAIL) this.#tail.shift()
    this.#echo?.(text)
  }

  get tail(): readonly string[] {
    return this.#tail
  }

  /** A hash of the whole trace so far. */
  get digest(): string {
    return this.#hash.copy().digest('hex').slice(0, 16)
  }

  /** The next event, with all that follows from it. @returns false when there is none */
  async step(): Promise<boolean> {
    const task = this.#queue.pop()
    if (task === undefined) return false
    this.now = Math.max(this.now, task.due)
    if (task.what === '' || task.host?.dead) return true
    if (task.host?.held) {
      task.host.held.push(task)
      return true
    }
    this.steps++
    this.#between = false
    this.current = task.host
    this.note(task.what)
    task.run()
    await new Promise<void>((resolve) => realTurn(resolve))
    this.current = null
    this.#between = true
    return true
  }
}

/** Keeps the queue sorted, the next event last. */
function insert(queue: Task[], task: Task): void {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = queue[middle]
    if (other.due > task.due || (other.due === task.due && other.serial > task.serial)) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, task)
}
