import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { type Scope, until } from '../harness.ts'

/**
 * What deploy/docker/Dockerfile puts together, in a folder instead of an image: the compiled files, the production packages,
 * and the Dockerfile's own ENTRYPOINT and HEALTHCHECK, run by nobody (where this is root) on files that it cannot write to.
 */
export interface Image {
  /** Where /app is. */
  root: string
  /** npm's arguments that the packages were installed by. */
  install: string[]
  /** Runs a command of the entry point to its end. */
  run(args: string[], env: Env): Promise<Ended>
  /** Runs the health check, or it with a part named. */
  health(env: Env, ...args: string[]): Promise<Ended>
  /** Starts a command of the entry point; it is killed at the test's end if it still runs. */
  start(args: string[], env: Env): Started
  /** Writes a file that the image's user can read. @returns its path */
  secret(name: string, value: string): Promise<string>
}

type Env = Record<string, string>

export interface Ended {
  code: number | null
  out: string
  errors: string
}

export interface Started {
  readonly errors: string
  signal(signal: NodeJS.Signals): void
  ended(): Promise<number | NodeJS.Signals>
}

const APP = '/app'
const run = promisify(execFile)
/** Nobody of Debian; the image's own user has another number, and no more rights. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** Builds it anew, which takes some seconds; it is gone at the test's end. */
export async function image(t: Scope): Promise<Image> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-image-'))
  t.after(async () => {
    await run('chmod', ['-R', 'u+w', directory])
    await rm(directory, { recursive: true, force: true })
  })
  const root = join(directory, 'app')
  await run(process.execPath, ['--import', 'tsx', 'deploy/build.ts', '--out', join(root, 'dist')])
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) await cp(file, join(root, file))
  const { install, entry, health } = await commandsOf('deploy/docker/Dockerfile')
  await run('npm', [...install, '--prefer-offline', '--no-audit'], { cwd: root })
  // The one that runs now, where nobody can read it.
  const node = join(directory, 'node')
  await copyFile(process.execPath, node)
  await run('chmod', ['-R', 'a-w,a+rX', root, node])
  await chmod(directory, 0o755)

  const inPlace = (words: string[]) => words.map((word) => (word === 'node' ? node : word.replace(APP, root)))
  const launch = (words: string[], env: Env) => {
    const [program, ...args] = inPlace(words)
    return spawn(program, args, {
      ...NOBODY,
      // Like the image: nowhere to write, and nothing of this user's environment.
      cwd: '/',
      env: {
        PATH: '/usr/bin:/bin',
        NODE_ENV: 'production',
        TMPDIR: '/nonexistent',
        HOME: '/nonexistent',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
  const toEnd = async (words: string[], env: Env): Promise<Ended> => {
    const child = launch(words, env)
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, out, errors }
  }
  return {
    root,
    install,
    run: (args, env) => toEnd([...entry, ...args], env),
    health: (env, ...args) => toEnd([...health, ...args], env),
    start(args, env) {
      const child = launch([...entry, ...args], env)
      let errors = ''
      child.stdout.resume()
      child.stderr.on('data', (data) => {
        errors += data
      })
      const end = once(child, 'exit')
      t.after(async () => {
        child.kill('SIGKILL')
        await end
      })
      const hasEnded = () => child.exitCode !== null || child.signalCode !== null
      return {
        get errors() {
          return errors
        },
        signal: (signal) => void child.kill(signal),
        async ended() {
          await until(hasEnded, { seconds: 30, what: `${args[0]} to end` })
          return child.exitCode ?? child.signalCode!
        },
      }
    },
    async secret(name, value) {
      const path = join(directory, name)
      await writeFile(path, value, { mode: 0o644 })
      return path
    },
  }
}

/** How the last stage's packages are installed, and the words of ENTRYPOINT and HEALTHCHECK, which are JSON: no shell takes part. */
async function commandsOf(
  dockerfile: string,
): Promise<{ install: string[]; entry: string[]; health: string[] }> {
  const lines = (await readFile(dockerfile, 'utf8')).replaceAll(/\\\n/g, ' ')
  const found = (pattern: RegExp): string => {
    const match = pattern.exec(lines)
    if (match === null) throw new Error(`${dockerfile} has no ${pattern}`)
    return match[1]
  }
  return {
    install: found(/^RUN npm (ci --omit=dev .*)$/m).split(' '),
    entry: JSON.parse(found(/^ENTRYPOINT (\[.*\])$/m)),
    health: JSON.parse(found(/^HEALTHCHECK .*CMD (\[.*\])$/m)),
  }
}
