import { spawn } from 'node:child_process'
import { manifestOf } from './manifest.ts'
import { ownEnvironment } from './program.ts'

/**
 * Runs somebody's command with a backup that is complete: to copy it elsewhere. The command is a line for the shell, in
 * which "$1" is the encrypted file and "$2" its manifest; what it says goes to stderr. How the database is reached is not in
 * its environment.
 * @returns null when it succeeded, else how it ended
 */
export function runAfter(command: string, backup: string, signal: AbortSignal): Promise<string | null> {
  const child = spawn('sh', ['-c', command, 'weir-backup', backup, manifestOf(backup)], {
    stdio: ['ignore', 2, 2],
    env: ownEnvironment(),
    signal,
  })
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code, by) => resolve(code === 0 ? null : (by ?? `exit code ${code}`)))
  })
}
