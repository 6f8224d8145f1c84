import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Name } from '../../schemas/settings.ts'
import { type Scope, until } from '../harness.ts'

/** `npm run api` as a process of its own. */
export interface ApiProcess {
  readonly url: string
  /** What it wrote so far, stdout and stderr. */
  readonly output: string
  signal(signal: NodeJS.Signals): void
  /** Waits until it has ended. @returns its exit code, or the signal's name */
  ended(): Promise<number | NodeJS.Signals>
}

/**
 * Starts one and waits until it listens; it is killed at the test's end if it still runs.
 * @throws with what it wrote when it ends instead
 */
export async function apiProcess(
  t: Scope,
  env: Partial<Record<Name | `${Name}_FILE`, string>>,
): Promise<ApiProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', 'api'], {
    env: { PATH: process.env.PATH, PORT: '0', NODE_ENV: 'test', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (data: Buffer) => {
    output += data
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const end = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  t.after(() => child.kill('SIGKILL'))
  let isOver = false
  end.then(() => {
    isOver = true
  })
  const address = () => /"url":"(http[^"]+)"/.exec(output)?.[1]
  await until(() => address() !== undefined || isOver, { what: 'the API to listen', seconds: 30 })
  const url = address()
  if (url === undefined) throw new Error(`the API ended: ${output}`)
  return {
    url,
    get output() {
      return output
    },
    signal: (signal) => void child.kill(signal),
    async ended() {
      const [code, signal] = await end
      return code ?? signal!
    },
  }
}
