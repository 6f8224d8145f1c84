import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { type Settings, shape } from '../../schemas/settings.ts'
import { type Scope, until } from '../harness.ts'

/** `npm run pipeline` as a process of its own. */
export interface PipelineProcess {
  /** What it wrote to stderr so far. */
  readonly errors: string
  readonly pid: number
  /**
   * Waits until it has ended by itself or by a signal.
   * @returns its exit code, or the signal's name
   * @throws after 30 s, with what it wrote
   */
  ended(): Promise<number | NodeJS.Signals>
  signal(signal: NodeJS.Signals): void
}

export interface ProcessOptions {
  /** Of the command, e.g. `--workers 2`. */
  args?: string[]
  /** Of Node, e.g. a limit of its heap. */
  nodeArgs?: string[]
  /** Another tree than this one. */
  cwd?: string
  logLevel?: Settings['LOG_LEVEL']
  /** Over what the settings say. */
  env?: Record<string, string>
}

/** Starts one; it is killed at the test's end if it still runs. */
export function pipelineProcess(
  t: Scope,
  settings: PipelineSettings,
  { args = [], nodeArgs = [], cwd, logLevel = 'info', env = {} }: ProcessOptions = {},
): PipelineProcess {
  const child = spawn(
    process.execPath,
    [...nodeArgs, '--import', 'tsx', 'deploy/weir.ts', 'pipeline', ...args],
    {
      cwd,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ...asEnvironment(settings),
        LOG_LEVEL: logLevel,
        ...env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  ) as ChildProcess
  let errors = ''
  child.stderr!.on('data', (text) => {
    errors += text
  })
  const end = once(child, 'exit')
  // Not even a harness that is stopped at once leaves it running.
  const kill = () => void child.kill('SIGKILL')
  process.on('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  t.after(async () => {
    child.kill('SIGKILL')
    await end
  })
  return {
    get errors() {
      return errors
    },
    pid: child.pid!,
    async ended() {
      await until(hasEnded, { seconds: 30, what: 'the process to end' }).catch((error) => {
        throw new Error(`${error.message}; it wrote: ${errors}`)
      })
      return child.exitCode ?? child.signalCode!
    },
    signal: (signal) => void child.kill(signal),
  }
}

function asEnvironment(settings: PipelineSettings): Record<string, string> {
  const given = Object.entries(settings).filter(([name, value]) => name in shape && value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
}
