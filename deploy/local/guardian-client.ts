import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
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

const program = fileURLToPath(new URL('./guardian.ts', import.meta.url))

/** The parent's end of the pipe to the guardian (see guardian.ts). */
export class Guardian {
  /** Where the servers keep their data: the one to keep, or a temporary one that is deleted on close. */
  readonly directory: string
  readonly #process: ChildProcess
  readonly #temporary: boolean
  readonly #jobs = new Map<number, { started: (r: Running) => void; failed: (e: Error) => void; job: Job }>()
  readonly #exits = new Map<number, (exit: Exit) => void>()
  readonly #pids = new Map<number, number>()
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
    const { promise, resolve, reject } = Promise.withResolvers<Running>()
    this.#jobs.set(id, { started: resolve, failed: reject, job })
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
    if (report.type === 'spawned') {
      const { id, pid } = report
      const { promise: exited, resolve } = Promise.withResolvers<Exit>()
      this.#exits.set(id, resolve)
      this.#pids.set(id, pid)
      this.#jobs
        .get(id)
        ?.started({ pid, exited, signal: (signal) => this.#send({ type: 'signal', id, signal }) })
    } else if (report.type === 'exited') {
      this.#pids.delete(report.id)
      this.#exits.get(report.id)?.({ how: report.how, ok: report.ok })
      const job = this.#jobs.get(report.id)
      job?.failed(new Error(`${job.job.command} could not be started: ${report.how}`))
    }
  }

  /** Does the guardian's work should it be killed itself, and ends what waits for it. */
  #clean(): void {
    for (const pid of this.#pids.values()) {
      try {
        process.kill(-pid, 'SIGKILL')
      } catch {
        // Ended already, as it should be.
      }
    }
    if (this.#temporary)
      rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    for (const end of this.#exits.values()) end({ how: 'stopped with the guardian', ok: false })
    for (const { failed } of this.#jobs.values()) failed(new Error('the local servers were stopped'))
  }
}
