import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** `npm run <name> -- …` as a process of its own, to its end. */
export async function runCommand(database: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'deploy/weir.ts', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, DATABASE_URL: database },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, out, errors, json: () => JSON.parse(out) }
}
