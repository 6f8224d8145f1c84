import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { withoutSecrets } from '../../schemas/error-fields.ts'
import { printable } from '../../schemas/printable.ts'

/** Lines of what a program said that are kept for an error's message. */
const KEPT_LINES = 15

/** A program that others read from and write to. */
export interface Program {
  stdin: Writable
  stdout: Readable
  /** Resolves when it has done its work. @throws with the last that it said when it has not */
  ended: Promise<void>
  /** Ends it if it still runs, and waits for its end. Twice does no harm. */
  stop(): Promise<void>
}

/** @param env what it is told beside the user's own paths */
export function startProgram(command: string, args: string[], env: Record<string, string> = {}): Program {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A terminal's Ctrl-C is ours to pass on.
    detached: true,
    env: { ...ownEnvironment(), ...env },
  })
  // Whoever writes to it is told by its end.
  child.stdin.on('error', () => {})
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).split('\n').slice(-KEPT_LINES).join('\n')
  })
  const name = basename(command)
  let isRunning = true
  const closed = Promise.withResolvers<void>()
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      closed.resolve()
      reject(
        new Error(
          `${name} could not be started: ${error.code === 'ENOENT' ? 'it is not there' : error.message}`,
        ),
      )
    })
    child.on('close', (code, by) => {
      isRunning = false
      closed.resolve()
      if (code === 0) resolve()
      else reject(new Error(`${name} failed (${by ?? `exit code ${code}`})${toldBy(said)}`))
    })
  })
  ended.catch(() => {})
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    ended,
    async stop() {
      if (isRunning) endGroup(child.pid)
      child.stdin.destroy()
      child.stdout.destroy()
      await closed.promise
    },
  }
}

/** The program, and what it has started. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM')
  } catch (error) {
    // All of them have just ended by themselves.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function toldBy(said: string): string {
  const lines = withoutSecrets(said).trim()
  return lines === '' ? '' : `:\n${lines.split('\n').map(printable).join('\n')}`
}

/** What any program needs of our environment; Weir's settings are none of it. */
export function ownEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR = '', GNUPGHOME = '' } = process.env
  const own = { PATH, HOME, TMPDIR, GNUPGHOME, LC_ALL: 'C' }
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== ''))
}
