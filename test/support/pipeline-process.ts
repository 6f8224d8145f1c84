import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { PipelineSettings } from '../../pipeline/main.ts'
import { shape } from '../../schemas/settings.ts'
import { type Scope, until } from '../harness.ts'

/** `npm run pipeline` as a process of its own. */
export interface PipelineProcess {
  /** What it wrote to stderr so far. */
  readonly errors: string
  /** How it ended: its exit code, or the signal's name. */
  readonly ended: Promise<number | NodeJS.Signals>
  signal(signal: NodeJS.Signals): void
}

/** Starts one; it is killed at the test's end if it still runs. */
export function pipelineProcess(t: Scope, settings: PipelineSettings): PipelineProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'pipeline'], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...asEnvironment(settings), LOG_LEVEL: 'info' },
    stdio: ['ignore', 'ignore', 'pipe'],
  }) as ChildProcess
  let errors = ''
  child.stderr!.on('data', (text) => {
    errors += text
  })
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    get errors() {
      return errors
    },
    ended,
    signal: (signal) => void child.kill(signal),
  }
}

/** Waits until a process has taken its partitions. */
export const untilStarted = (process: PipelineProcess): Promise<unknown> =>
  until(() => process.errors.includes('partition taken'), { seconds: 30, what: 'the pipeline to start' })

function asEnvironment(settings: PipelineSettings): Record<string, string> {
  const given = Object.entries(settings).filter(([name, value]) => name in shape && value !== undefined)
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
}
