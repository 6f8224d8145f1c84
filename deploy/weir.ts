import type { Command } from 'commander'
import { errorFields, safeMessage } from '../schemas/error-fields.ts'

/** The command line: `weir <command>`, one npm script for each. A command's file is loaded only when it is asked for. */

const [major] = process.versions.node.split('.').map(Number)
if (major < 24) {
  console.error(
    `Weir needs Node.js 24 or later; this is ${process.version}. On Linux \`npm ci\` brings it along and the npm ` +
      'scripts use it (was it run with --omit=optional?); elsewhere install it from https://nodejs.org.',
  )
  process.exit(1)
}

/** In the image it is compiled, and there is no npm. */
const isCompiled = import.meta.filename.endsWith('.js')
const USAGE = isCompiled ? 'weir <command> [options]' : 'npm run <command> -- [options]'

const commands: Record<string, () => Promise<{ command: () => Command }>> = {
  start: () => import('./local/start-command.ts'),
  servers: () => import('./local/servers-command.ts'),
  migrate: () => import('../schemas/migrate-command.ts'),
  roles: () => import('./roles/command.ts'),
  produce: () => import('../pipeline/produce/command.ts'),
  labels: () => import('../pipeline/labels/command.ts'),
  pipeline: () => import('../pipeline/command.ts'),
  api: () => import('../api/command.ts'),
  health: () => import('./health-command.ts'),
  train: () => import('../pipeline/train/command.ts'),
  models: () => import('../pipeline/models/command.ts'),
  keys: () => import('../api/auth/keys-command.ts'),
  audit: () => import('../api/audit/command.ts'),
  backtest: () => import('../pipeline/backtest/command.ts'),
  'dead-letters': () => import('../pipeline/dead-letters/command.ts'),
  backup: () => import('./backup/command.ts'),
  bench: () => import('../bench/command.ts'),
}

async function main(): Promise<void> {
  const [name, ...args] = process.argv.slice(2)
  const load = commands[name]
  if (load === undefined) {
    const asked = name === '--help' || name === '-h'
    const usage = `Usage: ${USAGE}\n\nCommands: ${Object.keys(commands).join(', ')}\nEach has --help.`
    console[asked ? 'log' : 'error'](usage)
    process.exitCode = asked ? 0 : 2
    return
  }
  const { loadDotEnv } = await import('./dot-env.ts')
  loadDotEnv()
  const { command } = await loaded(name, load)
  await command()
    .name(isCompiled ? `weir ${name}` : `npm run ${name} --`)
    .parseAsync(args, { from: 'user' })
}

/** @throws with what to do where the command needs what only a checkout has */
async function loaded<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    throw new Error(
      `${name} needs what is not installed here: run it in a checkout of Weir, after \`npm ci\``,
      {
        cause,
      },
    )
  }
}

main().catch((error: Error) => {
  console.error(process.env.LOG_LEVEL === 'debug' ? errorFields(error) : `error: ${safeMessage(error)}`)
  process.exitCode = error.name === 'SettingsError' ? 2 : 1
})
