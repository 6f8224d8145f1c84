import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Job, Report, Request } from './guardian.ts'
import { lastLines } from './log-file.ts'

export type { Job } from './guardian.ts'

/** A process that the guardian runs. */
export interface Running {
  pid: number
  /** How it ended; never rejects. */
  exited: Promise<Exit>
  signal(name: NodeJS.Signals): void
}

export interface Exit {
  how: string
  ok: boolean
}

/** A job that was asked for and has not ended. */
interface Entry {
  job: Job
  pid?: number
  started: (running: Running) => void
  failed: (error: Error) => void
  exit: Promise<Exit>
  exited: (exit: Exit) => void
}

const HARD_MS = 2000
/** Beside this file, compiled as it is. */
const program = fileURLToPath(new URL(`./guardian${extname(import.meta.filename)}`, import.meta.url))

/** The parent's end of the pipe to the guardian (see guardian.ts). */
export class Guardian {
  /** Where the servers keep their data: the one to keep, or a temporary one that is deleted on close. */
  readonly directory: string
  readonly #process: ChildProcess
  readonly #temporary: boolean
  readonly #jobs = new Map<number, Entry>()
  readonly #gone: Promise<void>
  #lastId = 0

  private constructor(process_: ChildProcess, directory: string, temporary: boolean) {
    this.#process = process_
    this.directory = directory
    this.#temporary = temporary
    this.#process.on('message', (report: Report) => this.#take(report))
    this.#gone = new Promise((done) => this.#process.once('exit', () => done(this.#clean())))
  }

  /**
   * Starts a guardian over a directory.
   * @param keep the directory to keep the data in; null for a temporary one
   * @throws when the directory cannot be made or is in use by another installation
   */
  static start(keep: string | null): Promise<Guardian> {
    const process_ = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
      env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR },
    })
    const { promise, resolve, reject } = Promise.withResolvers<Guardian>()
    // For good: what is sent to a guardian that is ending fails here, and its exit tells the rest.
    process_.on('error', reject)
    process_.once('exit', () => reject(new Error('the guardian of the local servers ended at once')))
    process_.once('message', (report: Report) => {
      if (report.type === 'opened') resolve(new Guardian(process_, report.directory, keep === null))
      else if (report.type === 'refused') {
        process_.disconnect()
        reject(new Error(report.message))
      }
    })
    process_.send({ type: 'open', keep } satisfies Request)
    return promise
  }

  /** Starts a process and goes on while it runs. */
  spawn(job: Job): Promise<Running> {
    if (!this.#process.connected) return Promise.reject(new Error('the local servers were stopped'))
    const id = ++this.#lastId
    const { promise, resolve: started, reject: failed } = Promise.withResolvers<Running>()
    const { promise: exit, resolve: exited } = Promise.withResolvers<Exit>()
    this.#jobs.set(id, { job, started, failed, exit, exited })
    this.#send({ type: 'spawn', id, job })
    return promise
  }

  /**
   * Runs a process to its end.
   * @throws when it fails, with the last lines of its log
   */
  async run(job: Job): Promise<void> {
    const { exited } = await this.spawn(job)
    const exit = await exited
    if (!exit.ok) throw new Error(`${job.command} failed (${exit.how}).\n${lastLines(job.log)}`)
  }

  /** Deletes the path when the guardian ends, however it comes about. */
  removeAtEnd(path: string): void {
    this.#send({ type: 'remove-at-end', path })
  }

  /** Stops all servers and deletes what is not kept. Twice does no harm. */
  async close(): Promise<void> {
    this.#send({ type: 'close' })
    await this.#gone
  }

  #send(request: Request): void {
    if (this.#process.connected) this.#process.send(request)
  }

  #take(report: Report): void {
    if (report.type !== 'spawned' && report.type !== 'exited') return
    const { id } = report
    const entry = this.#jobs.get(id)
    if (entry === undefined) return
    if (report.type === 'spawned') {
      entry.pid = report.pid
      const signal = (name: NodeJS.Signals) => this.#send({ type: 'signal', id, signal: name })
      entry.started({ pid: report.pid, exited: entry.exit, signal })
    } else {
      this.#jobs.delete(id)
      entry.failed(new Error(`${entry.job.command} could not be started: ${report.how}`))
      entry.exited({ how: report.how, ok: report.ok })
    }
  }

  /** Does the guardian's work should it have been killed itself, and ends what waits for it. */
  async #clean(): Promise<void> {
    for (const { pid, job } of this.#jobs.values())
      if (pid !== undefined) kill(pid, job.stop?.[1] ?? 'SIGKILL')
    const deadline = Date.now() + HARD_MS
    while (this.#alive().length > 0 && Date.now() < deadline) await sleep(20)
    for (const pid of this.#alive()) kill(pid, 'SIGKILL')
    if (this.#temporary)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    for (const { exited, failed } of this.#jobs.values()) {
      failed(new Error('the local servers were stopped'))
      exited({ how: 'stopped with the guardian', ok: false })
    }
  }

  #alive(): number[] {
    return [...this.#jobs.values()].flatMap(({ pid }) => (pid !== undefined && kill(pid, 0) ? [pid] : []))
  }
}

/** Signals a process group. @returns whether it was there */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}
