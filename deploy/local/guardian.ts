import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { claim, PREFIX, sweep } from './claim.ts'

/**
 * The guardian: a process of its own that runs the servers, so that they end with Weir however Weir ends. It is
 * tied to its parent by a pipe alone; the pipe's end (even by kill -9) makes it stop all that it started and delete
 * what is not to be kept. It starts the servers itself: were the parent to start them and tell it, a parent killed
 * in between would leave one running. Run by plain `node` (which strips the types).
 */

/** What the parent asks for. */
export type Request =
  | { type: 'open'; keep: string | null }
  | { type: 'spawn'; id: number; job: Job }
  | { type: 'signal'; id: number; signal: NodeJS.Signals }
  | { type: 'remove-at-end'; path: string }
  | { type: 'close' }

/** What the guardian tells. */
export type Report =
  | { type: 'opened'; directory: string }
  | { type: 'refused'; message: string }
  | { type: 'spawned'; id: number; pid: number }
  | { type: 'exited'; id: number; how: string; ok: boolean }

/** A process to run. */
export interface Job {
  command: string
  args: string[]
  env: Record<string, string>
  cwd?: string
  user?: { uid: number; gid: number }
  /** File that takes its stdout and stderr, appended. */
  log: string
  /** The signal that ends it in good order, and the one that ends it now; null for a short job that is let finish. */
  stop: [gentle: NodeJS.Signals, hard: NodeJS.Signals] | null
}

const HARD_AFTER_MS = 3300
const KILL_AFTER_MS = 4200

const running = new Map<number, { child: ChildProcess; stop: Job['stop'] }>()
const removeAtEnd: string[] = []
let keep = false
let release = () => {}
let closing = false

/** To a parent that has just died it cannot be told; that must not stop the guardian from cleaning up. */
const tell = (report: Report): void => {
  if (process.connected) process.send!(report, undefined, undefined, () => {})
}

process.on('message', (request: Request) => {
  if (closing) return
  if (request.type === 'open') void open(request.keep)
  else if (request.type === 'spawn') tryToRun(request.id, request.job)
  else if (request.type === 'signal') signal(request.id, request.signal)
  else if (request.type === 'remove-at-end') removeAtEnd.push(request.path)
  else void close()
})
process.on('disconnect', () => void close())
process.on('uncaughtException', (error) => {
  console.error(error)
  void close()
})
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void close())

async function open(directory: string | null): Promise<void> {
  try {
    keep = directory !== null
    if (directory !== null) mkdirSync(directory, { recursive: true })
    process.chdir(directory ?? temporary())
    const claimed = await claim()
    if (claimed === null) {
      return tell({
        type: 'refused',
        message: `${directory} is in use by another running installation of Weir`,
      })
    }
    release = claimed
    tell({ type: 'opened', directory: resolve('.') })
    await sweep()
  } catch (error) {
    tell({ type: 'refused', message: (error as Error).message })
  }
}

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), PREFIX))
  removeAtEnd.push(directory)
  // As root, PostgreSQL runs as another user, who must get to its own folder in here.
  chmodSync(directory, 0o711)
  return directory
}

const SETPRIV = '/usr/bin/setpriv'
/** Where the system can, a server ends with the guardian, too, should that be killed itself. */
const canTie = process.platform === 'linux' && existsSync(SETPRIV)

function tryToRun(id: number, job: Job): void {
  try {
    run(id, job)
  } catch (error) {
    // Its log cannot be written, for one.
    tell({ type: 'exited', id, how: (error as Error).message, ok: false })
  }
}

function run(id: number, job: Job): void {
  const command = [job.command, ...job.args]
  if (canTie && job.stop !== null)
    command.unshift(SETPRIV, '--pdeathsig', job.stop[1].slice('SIG'.length), '--')
  const log = openSync(job.log, 'a')
  // A process group of its own: a terminal's Ctrl-C must not stop the servers before Weir has drained.
  const child = spawn(command[0], command.slice(1), {
    cwd: job.cwd,
    env: job.env,
    uid: job.user?.uid,
    gid: job.user?.gid,
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  child.once('error', (error) => {
    running.delete(id)
    tell({ type: 'exited', id, how: error.message, ok: false })
  })
  if (child.pid === undefined) return
  running.set(id, { child, stop: job.stop })
  tell({ type: 'spawned', id, pid: child.pid })
  child.once('exit', (code, by) => {
    running.delete(id)
    tell({ type: 'exited', id, how: by === null ? `exit code ${code}` : `signal ${by}`, ok: code === 0 })
  })
}

function signal(id: number, name: NodeJS.Signals): void {
  const pid = running.get(id)?.child.pid
  if (pid === undefined) return
  try {
    process.kill(-pid, name)
  } catch {
    // It has just ended.
  }
}

async function close(): Promise<void> {
  if (closing) return
  closing = true
  const ended = [...running].map(
    ([id, { child, stop }]) =>
      new Promise<void>((done) => {
        child.once('exit', () => done())
        if (stop !== null) {
          // Data that is thrown away needs no good order.
          if (keep) signal(id, stop[0])
          setTimeout(() => signal(id, stop[1]), keep ? HARD_AFTER_MS : 0)
        }
        setTimeout(() => signal(id, 'SIGKILL'), KILL_AFTER_MS)
      }),
  )
  await Promise.all(ended)
  for (const path of removeAtEnd)
    rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  if (keep) release()
  process.exit(0)
}
