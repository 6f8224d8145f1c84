import { type ChildProcess, fork } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ALIASES, type Settings, shape } from '../schemas/settings.ts'
import { cpuTime } from './cpu-time.ts'

export interface ChildOptions {
  /** File to run, from the project's root. */
  file: string
  args: string[]
  /** All that the process gets as its environment. */
  settings: Partial<Settings>
  execArgv?: string[]
  /** Called with each line of its stderr. */
  onLine?: (line: string) => void
  signal: AbortSignal
}

/** A process of the benchmark's, killed when the signal comes. */
export interface Child extends AsyncDisposable {
  pid: number
  /** Sends it a message. */
  send(message: object): void
  /** Resolves with the next message that it sends; rejects when it ends before that. */
  message<T>(): Promise<T>
  /** Rejects when it ends, with the last lines of its stderr: for a process that should still be running. */
  died: Promise<never>
  /** What went wrong around it, with the last lines of its stderr. */
  explain(cause: Error): Error
  /** Processor time that it and its own children have had, microseconds; null where the system does not tell. */
  cpuTime(): number | null
  /** Asks it to end by SIGTERM, and waits. @throws when it does not end well */
  stop(): Promise<void>
  /** Ends it by SIGKILL, and waits. */
  kill(): Promise<void>
}

const root = fileURLToPath(new URL('..', import.meta.url))
const TAIL_LINES = 15
const STOP_MS = 15_000

/** What makes a child write a V8 profile when it ends. @param directory undefined for none */
export const profiling = (directory: string | undefined): string[] =>
  directory === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', resolve(directory)]

export function startChild(options: ChildOptions): Child {
  const { file, args, settings, execArgv = [], onLine, signal } = options
  const child = fork(file, args, {
    cwd: root,
    execArgv: ['--import', 'tsx', ...execArgv],
    env: environmentOf(settings),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal,
  })
  const tail = keepTail(child, onLine)
  const exit = new Promise<{ how: string; ok: boolean }>((resolve) => {
    child.once('error', (error) => resolve({ how: error.message, ok: false }))
    child.once('close', (code, by) =>
      resolve({ how: code === null ? `by ${by}` : `exit code ${code}`, ok: code === 0 }),
    )
  })
  const failure = (how: string) => {
    if (signal.aborted) return signal.reason as Error
    return new Error(`${file} ${args.join(' ')} ended (${how})\n${tail.join('\n')}`)
  }
  const died = exit.then(({ how }): never => {
    throw failure(how)
  })
  died.catch(() => {}) // whoever waits for it sees it
  const kill = async () => {
    child.kill('SIGKILL')
    await exit
  }
  return {
    pid: child.pid!,
    send: (message) => void child.send(message),
    died,
    explain: (cause) => new Error(`${cause.message}\n${tail.join('\n')}`, { cause }),
    message: <T>() =>
      Promise.race([new Promise<T>((resolve) => child.once('message', (m) => resolve(m as T))), died]),
    cpuTime: () => cpuTime(child.pid!),
    async stop() {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      child.kill('SIGTERM')
      const { how, ok } = await exit
      clearTimeout(timer)
      if (!ok) throw failure(how)
    },
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

function keepTail(child: ChildProcess, onLine?: (line: string) => void): string[] {
  const tail: string[] = []
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (line === '') return
    tail.push(line)
    tail.splice(0, tail.length - TAIL_LINES)
    onLine?.(line)
  })
  return tail
}

/**
 * Settings as an environment. Names without a value are given empty, which is unset, with all that may stand for them:
 * else the child would take them from a `.env`, beside what it is given here.
 */
export function environmentOf(settings: Partial<Settings>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {}
  for (const alias of Object.values(ALIASES)) env[alias] = env[`${alias}_FILE`] = ''
  for (const name of Object.keys(shape) as (keyof Settings)[]) {
    const value = settings[name]
    env[name] = Array.isArray(value) ? value.join(',') : String(value ?? '')
    env[`${name}_FILE`] = ''
  }
  return env
}
