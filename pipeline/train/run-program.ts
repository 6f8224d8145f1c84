import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface ProgramOptions {
  /** Ends the program, and all that it started. */
  signal: AbortSignal
  /** Takes each line that it prints. */
  onLine?: (line: string) => void
  /** Where it may leave temporary files, which whoever ends it removes. */
  temporary?: string
  /** Where it runs; default: where this process does. */
  cwd?: string
}

/** How much of what a program said is kept for an error's message. */
const KEPT_LINES = 15

/** A program that did not do its work: why, and the last that it said. */
export class ProgramError extends Error {
  readonly output: string
  constructor(how: string, output: string) {
    super(how)
    this.name = 'ProgramError'
    this.output = output
  }
}

/**
 * Runs a program to its end.
 * @throws ProgramError when it cannot be started or fails; the signal's reason when it was ended
 */
export async function runProgram(
  command: string,
  args: string[],
  { signal, onLine = () => {}, temporary, cwd }: ProgramOptions,
): Promise<void> {
  signal.throwIfAborted()
  // In a group of its own, so that a terminal's Ctrl-C is ours to pass on, and reaches what it has started too.
  const env = temporary === undefined ? process.env : { ...process.env, TMPDIR: temporary }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env, cwd })
  const stop = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    } catch (error) {
      // All of them have just ended by themselves.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  signal.addEventListener('abort', stop)
  const last: string[] = []
  const keep = (line: string): void => {
    last.push(line)
    if (last.length > KEPT_LINES) last.shift()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    keep(line)
    onLine(line)
  })
  createInterface({ input: child.stderr }).on('line', keep)
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(new ProgramError(error.code === 'ENOENT' ? 'it is not there' : error.message, '')),
      )
      child.on('close', (code, by) => {
        if (code === 0) resolve()
        else reject(new ProgramError(by === null ? `exit code ${code}` : `ended by ${by}`, last.join('\n')))
      })
    })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
